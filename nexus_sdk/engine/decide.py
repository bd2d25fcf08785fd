"""What a turn comes to, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from nexus_sdk.core import events as e
from nexus_sdk.core.frozen import quick
from nexus_sdk.core.history import Message
from nexus_sdk.core.ledger import LogLine
from nexus_sdk.core.status import Status
from nexus_sdk.core.turn import take_turn
from nexus_sdk.engine.instance import Instance, Surroundings
from nexus_sdk.errors import BlockingError, HistoryCorruptedError, PayloadError, TurnFailedError

_HOLDS = (e.WorkflowSuspended, e.WorkflowResumed)


class Verdict(Enum):
    """What is to be done with the mail."""

    ADVANCE = auto()
    """Commit the events (maybe none) and consume what was used."""
    HOLD = auto()
    """The instance is held: leave its messages where they are."""
    UNSERVED = auto()
    """This worker has no such workflow: leave it to another."""
    FINISHED = auto()
    """The instance has ended: whatever came is late."""


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with what goes along.

    Attributes:
        stamp_us: the time that the code was given in this turn: the batch must bear exactly this one.
        is_blocking: the events block the instance; its messages are held back.
    """

    verdict: Verdict
    events: tuple[e.Event, ...] = ()
    used: tuple[Message, ...] = ()
    log: tuple[LogLine, ...] = ()
    stamp_us: int | None = None
    is_blocking: bool = False


def decide(
    instance: Instance, messages: Sequence[Message], *, is_retry: bool, now_us: int, surroundings: Surroundings
) -> Decision:
    """Run the instance's code over its messages, as far as its status allows.

    Raises:
        HistoryCorruptedError: its history is not what was written.
    """
    status = instance.record.status
    if status.is_finished:
        return Decision(Verdict.FINISHED, used=tuple(messages))
    for message in messages:
        if type(message.event) is e.WorkflowTerminated:
            return Decision(Verdict.ADVANCE, (message.event,), tuple(messages))
    # Of the requests to hold it and to let it go on, the latest counts.
    holds = [m for m in messages if type(m.event) in _HOLDS]
    suspension = holds[-1] if holds and isinstance(holds[-1].event, e.WorkflowSuspended) else None
    is_resumed = bool(holds) and suspension is None
    if status is Status.SUSPENDED and not is_resumed:
        return Decision(Verdict.HOLD)
    if status is Status.BLOCKED:
        if suspension is not None:
            return Decision(Verdict.ADVANCE, (suspension.event,), tuple(holds))
        if not is_resumed and not is_retry and instance.record.build == surroundings.build:
            return Decision(Verdict.HOLD)
    spent = tuple(m for m in holds if m is not suspension)
    rest = [m for m in messages if m not in spent] if spent else list(messages)
    try:
        return _run(instance, rest, spent, now_us, surroundings)
    except HistoryCorruptedError:
        raise  # what it decided and what is written cannot be told apart: whoever called knows how to block such a one
    except (BlockingError, PayloadError) as error:
        return blocked(instance, error, spent, surroundings)


def blocked(instance: Instance, error: Exception, used: tuple[Message, ...], surroundings: Surroundings) -> Decision:
    """The decision to block an instance, with the reason."""
    instance.dispose()
    if instance.record.status is Status.BLOCKED and not used:
        return Decision(Verdict.HOLD)  # it is for the same or another reason; one record of it is enough
    if not isinstance(error, BlockingError):
        reason = f"{instance.record.id}: {error}"
        error = TurnFailedError(reason, hint="Mend the cause and resume it: nexus resume, or handle.resume().")
    prefix = (e.WorkflowResumed(),) if instance.record.status is Status.SUSPENDED else ()
    event = e.WorkflowBlocked(surroundings.services(instance.record.id).describe(error), surroundings.build)
    return Decision(Verdict.ADVANCE, (*prefix, event), used, is_blocking=True)


def _run(
    instance: Instance,
    messages: list[Message],
    spent: tuple[Message, ...],
    now_us: int,
    surroundings: Surroundings,
) -> Decision:
    execution = instance.execute(surroundings)
    if execution is None:
        return Decision(Verdict.UNSERVED)
    surroundings.limits.check(instance.record.id, instance.length)
    turn = surroundings.environment.watchdog.watch(instance.record.id, take_turn, execution, messages, now_us)
    prefix: tuple[e.Event, ...] = ()
    if instance.record.status is Status.SUSPENDED:
        prefix = (e.WorkflowResumed(),)
    elif instance.record.status is Status.BLOCKED:
        prefix = (e.WorkflowUnblocked(surroundings.build),)
    return Decision(Verdict.ADVANCE, prefix + turn.events, spent + turn.used, turn.log, execution.now_us)
