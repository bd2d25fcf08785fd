"""Drives a workflow turn by turn without an engine, and holds every turn to the laws of replay.

Each turn is taken twice: by the live execution, and by a fresh one that replays the whole history first (all of it is
collected right after). Both must decide the same.
"""

from __future__ import annotations

import gc
import itertools
from typing import Any

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.execution import Execution, Identity, Services
from nexus_sdk.core.failure import Failure, lineage_of
from nexus_sdk.core.history import Batch, BatchHeader, Message
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.turn import Turn, take_turn

START_US = 1_800_000_000_000_000
SECOND = 1_000_000
CODEC = MsgpackCodec()


def describe(error: BaseException) -> Failure:
    return Failure(type(error).__name__, str(error), lineage_of(error))


def services() -> Services:
    run_ids = (f"next-{n}" for n in itertools.count(1))
    return Services(CODEC, describe, lambda: next(run_ids))


class Driver:
    """One run of one workflow."""

    def __init__(self, workflow: Workflow[Any, Any], *args: Any, carried: tuple[e.Event, ...] = (), **created: Any):
        self.workflow = workflow
        self.now_us = START_US
        arguments = CODEC.encode(workflow.signature.bind(args, {}))
        first = e.WorkflowCreated(
            workflow.name, workflow.version, arguments, carried=carried, timeout_us=workflow.timeout_us, **created
        )
        self.batches: list[Batch] = []
        self._append((first,))
        self.live = self.fresh()
        self._numbers = itertools.count(1)

    def fresh(self, workflow: Workflow[Any, Any] | None = None) -> Execution:
        """A new execution that has replayed the history, as if after a crash; with other code where given."""
        workflow = workflow or self.workflow
        identity = Identity("order-42", "run-1", 1, workflow.name, workflow.version)
        execution = Execution(workflow.program, identity, services())
        execution.replay(self.batches)
        return execution

    def turn(self, *inputs: e.Event, after: float = 0.0) -> list[e.Event]:
        """Take a turn `after` seconds with these inputs; the events it appended."""
        self.now_us += round(after * SECOND)
        messages = [self.message(event) for event in inputs]
        cold = self.fresh()
        again = take_turn(cold, messages, self.now_us)
        cold.dispose()
        del cold
        gc.collect()
        turn = take_turn(self.live, messages, self.now_us)
        assert again.events == turn.events, "a replayed execution decided otherwise than the live one"
        self.last: Turn = turn
        if turn.events:
            self._append(turn.events)
            self.fresh().dispose()
        return list(turn.events)

    def message(self, event: e.Event) -> Message:
        """A message accepted now."""
        number = next(self._numbers)
        return Message(f"message-{number}", event, self.now_us, number)

    def _append(self, events: tuple[e.Event, ...]) -> None:
        number = len(self.batches) + 1
        header = BatchHeader("order-42", "run-1", number, f"turn-{number}", (), self.now_us)
        self.batches.append(Batch(header, events, b"", b""))

    # --- inputs ---

    def done(self, path: str, value: Any = None) -> e.ActivityCompleted:
        return e.ActivityCompleted(path, CODEC.encode(value))

    def failed(self, path: str, error: BaseException) -> e.ActivityFailed:
        return e.ActivityFailed(path, describe(error), 3)

    def event(self, name: str, value: Any = None) -> e.EventReceived:
        return e.EventReceived(name, CODEC.encode(value))

    # --- what came of it ---

    @property
    def history(self) -> list[e.Event]:
        return [event for batch in self.batches for event in batch.events]

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


def value_of(payload: Payload) -> Any:
    return CODEC.decode(payload)


def names(events: list[e.Event]) -> list[str]:
    """Events as short texts: kind and path."""
    return [f"{type(event).__name__} {getattr(event, 'path', '')}".strip() for event in events]
