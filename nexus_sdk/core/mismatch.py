"""Code and history disagree: what each says, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nexus_sdk.core import events as e
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.errors import NonDeterminismError, PayloadError

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Identity

_HINT = (
    'The workflow changed while this instance was running. Guard the change with ctx.patched("…"), deploy the old code '
    "again, or let old instances finish first. If the code did not change, it does something that differs from run to "
    "run (clock, random, environment, iteration over a set): use ctx.now(), ctx.random, ctx.side_effect or an activity."
    " `nexus replay` shows code and history side by side."
)

_NOUNS: dict[type[e.Event], str] = {
    e.TimerStarted: "a timer",
    e.SideEffectRecorded: "a side effect",
    e.TimerCancelled: "the end of a timer",
    e.EventWaitCancelled: "the end of a wait",
    e.ActivityCancelRequested: "the cancellation of an activity",
    e.ChildCancelRequested: "the cancellation of a child workflow",
    e.WorkflowCompleted: "the end of the workflow",
    e.WorkflowFailed: "the failure of the workflow",
    e.WorkflowCancelled: "the cancellation of the workflow",
    e.ContinuedAsNew: "continue_as_new",
}


class Mismatch:
    """One disagreement: the recorded event that was expected, and what the code asks for instead (None: nothing).

    Args:
        given: where both ask for the same: what they give it otherwise (see `differing`).
        later: what is recorded from there on, as far as it is known.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        recorded: e.Event | None,
        asked: e.Event | None,
        given: str = "",
        later: Sequence[e.Event] = (),
    ) -> None:
        self._identity = identity
        self.recorded = recorded
        self.asked = asked
        self.given = given
        self._later = later

    def error(self) -> NonDeterminismError:
        """The error that tells it, shortly: the code and the record of a turn are all that is known here."""
        path = getattr(self.asked, "path", "") or getattr(self.recorded, "path", "")
        where = f"{self._identity.instance_id}, {f'operation {path}' if path else 'at the end of the workflow'}"
        site = getattr(self.asked, "site", "") or getattr(self.recorded, "site", "")
        error = NonDeterminismError(
            " ".join(filter(None, [f"{where}{f' ({site})' if site else ''}: {self._says()}.", self._guess()])),
            hint=_HINT,
        )
        error.mismatch = self
        return error

    def _guess(self) -> str:
        """What may have been changed, as a question; empty where nothing suggests itself."""
        recorded, asked = self.recorded, self.asked
        if self.given or not isinstance(recorded, e.Output) or recorded.is_terminal:
            return ""
        if asked is None or asked.is_terminal:
            return f"Was {describe(recorded)} removed?"
        if same(recorded, asked):
            return "Was it moved into a group or a helper, or out of one?"
        if any(same(event, asked) for event in self._later):
            return f"Was {describe(recorded)} removed, or moved behind it?"
        if type(recorded) is type(asked):
            return "Was it renamed, or another one put in front of it?"
        return f"Was {describe(asked)} added?"

    def _says(self) -> str:
        recorded, asked = self.recorded, self.asked
        if self.given:
            return f"the code now asks for {describe(asked)} with another {self.given} than history has"
        if recorded is None or (recorded.is_input and asked is not None):
            return f"history has nothing here, the code now asks for {describe(asked)}"
        old = getattr(recorded, "site", "")
        was = f" (recorded at {old})" if old and old != getattr(asked, "site", old) else ""
        if asked is None and recorded.is_input:
            return f"history has the outcome of {describe(recorded)}, which the code did not ask for"
        now = f"asks for {describe(asked)}" if asked is not None else "asks for nothing more"
        return f"history has {describe(recorded)}{was}, the code now {now}"


_GIVEN = {
    "arguments": "set of arguments",
    "payload": "payload",
    "result": "result",
    "due_us": "deadline",
    "target": "target",
    "instance_id": "instance id",
    "version": "version",
}
"""What an operation is given, and a strict replay compares, by the event's field. Fields of one name mean one thing."""


def differing(recorded: e.Event, asked: e.Event, codec: Codec) -> str:
    """What two events of one kind were given otherwise, in words; empty if nothing, as far as can be told.

    Payloads of one digest are equal. Others are decoded and compared as values: since they were recorded the key, the
    compression or the order of a mapping may have become another.

    Args:
        codec: bound to the instance.
    """
    for field, words in _GIVEN.items():
        before, now = getattr(recorded, field, None), getattr(asked, field, None)
        if isinstance(before, Payload) and isinstance(now, Payload):
            if is_other_value(before, now, bound(codec, recorded), bound(codec, asked)):
                return words
        elif before != now:
            return words
    return ""


def bound(codec: Codec, event: e.Event) -> Codec:
    """The codec for what an output gives away: a child's arguments are the child's, an event is its receiver's.

    Args:
        codec: bound to the instance that asked.
    """
    match event:
        case e.ChildScheduled(instance_id=owner) | e.EventSent(target=owner):
            return codec.bound_to(owner)
    return codec


def is_other_value(before: Payload, now: Payload, before_codec: Codec, now_codec: Codec) -> bool:
    """Whether two payloads hold different values. What cannot be read is taken to be the same."""
    if before.digest == now.digest:
        return False
    try:
        return bool(before_codec.decode(before) != now_codec.decode(now))
    except PayloadError:
        # The same encoding and key give the same value the same bytes. Otherwise nothing can be told.
        return (before.encoding, before.key_id) == (now.encoding, now.key_id)


def same(one: e.Event, other: e.Event) -> bool:
    """Whether two events ask for the same kind of thing by the same name, whatever they give it."""
    return key_of(one) == key_of(other)


def key_of(event: e.Event) -> tuple[str, ...]:
    """What of an output is compared at every replay, besides its path."""
    match event:
        case e.ActivityScheduled(name=name) | e.EventAwaited(name=name) | e.EventSent(name=name):
            return type(event).__name__, name
        case e.ChildScheduled(workflow=workflow):
            return type(event).__name__, workflow
        case e.TimerStarted(purpose=purpose):
            return type(event).__name__, purpose
    return (type(event).__name__,)


def describe(event: e.Event | None) -> str:
    """What an event is, in a few words: ``activity 'charge'``."""
    match event:
        case None:
            return "nothing"
        case e.ActivityScheduled(name=name):
            return f"activity {name!r}"
        case e.EventAwaited(name=name):
            return f"a wait for event {name!r}"
        case e.EventSent(name=name, target=target):
            return f"event {name!r} to {target!r}"
        case e.ChildScheduled(workflow=workflow):
            return f"child workflow {workflow!r}"
        case e.TimerStarted(purpose="timeout"):
            return "a timeout block"
        case _:
            return _NOUNS.get(type(event), type(event).__name__)
