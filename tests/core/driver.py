"""Drives a workflow turn by turn without an engine, and holds every turn to the laws of replay.

Each turn is taken twice: by the live execution, and by a fresh one that replays the whole history first (all of it is
collected right after). Both must decide the same. `tests/core/conftest.py` replays every prefix of every history that
a test made, twice.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import Batch, BatchHeader, Message
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.projection import Projection
from nexus_sdk.core.turn import Turn, take_turn

START_US = 1_800_000_000_000_000
SECOND = 1_000_000
CODEC = MsgpackCodec()

describe = partial(failure_from, codec=CODEC, with_traceback=False)

driven: list[Driver] = []
"""Every driver of the present test."""


def forget_all() -> None:
    """Dispose of every driver: what is collected undisposed runs its `finally` blocks anywhere."""
    for driver in driven:
        driver.live.dispose()
    driven.clear()


def services() -> Services:
    run_ids = (f"next-{n}" for n in itertools.count(1))
    return Services(CODEC, describe, lambda: next(run_ids))


class Driver:
    """One run of one workflow. Keyword arguments go to its `WorkflowCreated`."""

    is_thorough = True
    """Collect garbage and replay from the start at every turn; off only where thousands of turns are the point."""

    def __init__(self, workflow: Workflow[Any, Any], *args: Any, carried: tuple[e.Event, ...] = (), **created: Any):
        self.workflow = workflow
        self.now_us = START_US
        arguments = CODEC.encode(workflow.signature.bind(args, {}))
        first = e.WorkflowCreated(
            workflow.name, workflow.version, arguments, carried=carried, timeout_us=workflow.timeout_us, **created
        )
        self.batches: list[Batch] = []
        self.projection = Projection()
        self._append((first,))
        self.live = self.fresh()
        self._numbers = itertools.count(1)
        driven.append(self)

    def fresh(self, workflow: Workflow[Any, Any] | None = None, batches: Sequence[Batch] | None = None) -> Execution:
        """A new execution that has replayed the history, as if after a crash; with other code where given."""
        workflow = workflow or self.workflow
        identity = Identity("order-42", "run-1", 1, workflow.name, workflow.version)
        execution = Execution(workflow.program, identity, services())
        try:
            execution.replay(self.batches if batches is None else batches)
        except BaseException:
            execution.dispose()
            raise
        return execution

    def deploy(self, workflow: Workflow[Any, Any]) -> None:
        """Go on with other code, from the history."""
        self.live.dispose()
        self.workflow = workflow
        self.live = self.fresh()

    def turn(self, *inputs: e.Event | Message, after: float = 0.0) -> list[e.Event]:
        """Take a turn `after` seconds with these inputs; the events it appended."""
        self.now_us += round(after * SECOND)
        messages = [each if isinstance(each, Message) else self.message(each) for each in inputs]
        if self.is_thorough:
            cold = self.fresh()
            try:
                again = take_turn(cold, messages, self.now_us)
            finally:
                cold.dispose()
                del cold
                gc.collect()
        turn = take_turn(self.live, messages, self.now_us)
        if self.is_thorough:
            assert again.events == turn.events, "a replayed execution decided otherwise than the live one"
        self.last: Turn = turn
        if turn.events:
            self._append(turn.events)
            if self.is_thorough:
                self.fresh().dispose()
        return list(turn.events)

    def check_prefixes(self) -> None:
        """Law 12: every prefix of the history replays to the recorded operations, twice."""
        if self.is_thorough:
            for length in range(1, len(self.batches) + 1):
                for _ in range(2):
                    self.fresh(batches=self.batches[:length]).dispose()

    def play(self, *, turns: int = 100, **answers: Any) -> Driver:
        """Go on until nothing is left to do: one answer or timer per turn, the oldest first.

        An activity's or child's answer is found by name: a value, an exception to fail with, or a function of its
        arguments; an activity without one gives back its first argument.
        """
        if not self.projection.is_started:
            self.turn()
        for _ in range(turns):
            if self.live.end is not None:
                return self
            due_us = self.live.next_deadline_us()
            if under_way := self.under_way:
                self.turn(self._answer(*next(iter(under_way.items())), answers))
            elif due_us is not None:
                self.turn(after=max(0, due_us - self.now_us) / SECOND)
            else:
                return self
        raise AssertionError(f"it still has something to do after {turns} turns")

    @property
    def under_way(self) -> dict[str, e.ActivityScheduled | e.ChildScheduled]:
        """The activities and children whose outcome would still be recorded, by path, the oldest first."""
        asked = {**self.projection.activities, **self.projection.children}
        return {path: schedule for path, schedule in asked.items() if path in self.live.pending}

    def _answer(self, path: str, schedule: e.ActivityScheduled | e.ChildScheduled, answers: dict[str, Any]) -> e.Event:
        name = schedule.name if isinstance(schedule, e.ActivityScheduled) else schedule.workflow
        arguments = value_of(schedule.arguments)
        values = list(arguments.values()) if isinstance(arguments, dict) else arguments
        answer = answers.get(name, values[0] if values else None)
        value = answer(*values) if callable(answer) and not isinstance(answer, type) else answer
        if isinstance(schedule, e.ChildScheduled):
            return self.child_failed(path, value) if isinstance(value, BaseException) else self.child_done(path, value)
        if path in self.projection.cancelling:
            return e.ActivityCancelled(path)
        return self.failed(path, value) if isinstance(value, BaseException) else self.done(path, value)

    def message(self, event: e.Event, *, ago: float = 0.0, run_id: str | None = None) -> Message:
        """A message accepted now, or some seconds ago."""
        number = next(self._numbers)
        return Message(f"message-{number}", event, self.now_us - round(ago * SECOND), number, run_id)

    def _append(self, events: tuple[e.Event, ...]) -> None:
        number = len(self.batches) + 1
        header = BatchHeader("order-42", "run-1", number, f"turn-{number}", (), self.now_us)
        self.batches.append(Batch(header, events, b"", b""))
        self.projection.extend(events)

    # --- inputs ---

    def done(self, path: str, value: Any = None) -> e.ActivityCompleted:
        return e.ActivityCompleted(path, CODEC.encode(value))

    def failed(self, path: str, error: BaseException) -> e.ActivityFailed:
        return e.ActivityFailed(path, describe(error), 3)

    def child_done(self, path: str, value: Any = None) -> e.ChildCompleted:
        return e.ChildCompleted(path, CODEC.encode(value))

    def child_failed(self, path: str, error: BaseException) -> e.ChildFailed:
        return e.ChildFailed(path, describe(error))

    def event(self, name: str, value: Any = None) -> e.EventReceived:
        return e.EventReceived(name, CODEC.encode(value))

    def cancel(self, reason: str = "") -> e.CancelRequested:
        return e.CancelRequested(reason)

    # --- what came of it ---

    @property
    def history(self) -> list[e.Event]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def asked(self) -> list[str]:
        """The activities that were asked for, by name and arguments, in order."""
        asked = [event for event in self.history if isinstance(event, e.ActivityScheduled)]
        return [f"{event.name}({_listed(event.arguments)})" for event in asked]

    @property
    def result(self) -> Any:
        end = self.live.end
        assert isinstance(end, e.WorkflowCompleted), end
        return value_of(end.result)

    @property
    def failure(self) -> Failure:
        end = self.live.end
        assert isinstance(end, e.WorkflowFailed), end
        return end.failure

    @property
    def is_cancelled(self) -> bool:
        return isinstance(self.live.end, e.WorkflowCancelled)


def value_of(payload: Payload) -> Any:
    return CODEC.decode(payload)


def names(events: Sequence[e.Event]) -> list[str]:
    """Events as short texts: kind and path."""
    return [f"{type(event).__name__} {getattr(event, 'path', '')}".strip() for event in events]


def _listed(arguments: Payload) -> str:
    values = value_of(arguments)
    return ", ".join(repr(value) for value in (values.values() if isinstance(values, dict) else values))
