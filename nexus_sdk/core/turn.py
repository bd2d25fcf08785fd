"""A turn: messages and due timers, applied one by one in the order in which they came about.

An event that was sent in time beats a timer that fired late; ties go to the input. No batching of the same messages
changes what happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.frozen import quick
from nexus_sdk.core.history import Message
from nexus_sdk.core.ledger import LogLine


@quick
@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn decided, to be committed.

    Attributes:
        events: what is appended to the history, in order.
        used: the messages that were consumed, recorded or dropped as meaningless.
        left: messages that came after the run's end or its suspension; they stay where they are.
        log: what the workflow said.
    """

    events: tuple[e.Event, ...]
    used: tuple[Message, ...]
    left: tuple[Message, ...] = ()
    log: tuple[LogLine, ...] = ()


def take_turn(execution: Execution, messages: Sequence[Message], now_us: int) -> Turn:
    """Apply messages and due deadlines to a live execution that is up to date.

    Raises:
        BlockingError: the code broke a rule. The execution is of no more use, and nothing has happened.
    """
    execution.begin_turn(now_us)
    waiting = deque(sorted(messages, key=_in_order) if len(messages) > 1 else messages)
    used: list[Message] = []
    suspended: list[e.Event] = []
    with execution.on_stage():
        _start(execution, now_us)
        while execution.end is None and not suspended:
            deadline = execution.due_before(now_us)
            if waiting and (deadline is None or waiting[0].accepted_at_us <= deadline[0]):
                message = waiting.popleft()
                used.append(message)
                if isinstance(message.event, e.WorkflowSuspended):
                    suspended.append(message.event)
                elif _is_meant(execution, message):
                    execution.receive(message.event)
            elif deadline is not None:
                execution.fire(deadline[1])
            else:
                break
    events = (*execution.ledger.take_events(), *suspended)
    return Turn(events, tuple(used), tuple(waiting), tuple(execution.ledger.take_log()))


def _in_order(message: Message) -> tuple[int, int]:
    return message.accepted_at_us, message.number


def _start(execution: Execution, now_us: int) -> None:
    created = execution.created
    if execution.main is None and created is not None and execution.end is None:
        if created.start_at_us is None or created.start_at_us <= now_us:
            execution.receive(e.WorkflowStarted())


def _is_meant(execution: Execution, message: Message) -> bool:
    if message.run_id is not None and message.run_id != execution.identity.run_id:
        return False
    return execution.accepts(message.event)
