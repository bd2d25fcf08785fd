"""Side effects: a small non-deterministic value, computed inside the workflow and recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nexus_sdk.core import events as e
from nexus_sdk.core.current import running
from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import RecordedOperation, T_co
from nexus_sdk.core.program import line_of
from nexus_sdk.errors import ActivityFailed

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class SideEffectOperation(RecordedOperation[T_co]):
    """Runs `function()` once and records its value, or its failure. Run again only if that record was lost."""

    __slots__ = ("function",)
    what = "side effect"

    def __init__(self, function: Callable[[], T_co]) -> None:
        super().__init__()
        self.function = function

    def record(self, path: str) -> e.SideEffectRecorded:
        """See `RecordedOperation.record`: this is where the function runs, outside the workflow's rules."""
        services = self.execution.services
        outside = running.set(None)
        try:
            return e.SideEffectRecorded(path, line_of(self.site), services.codec.encode(self.function()))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return e.SideEffectRecorded(path, line_of(self.site), services.codec.encode(None), services.describe(error))
        finally:
            running.reset(outside)

    def outline(self, path: str) -> e.SideEffectRecorded:
        """See `RecordedOperation.outline`."""
        return e.SideEffectRecorded(path, line_of(self.site), self.execution.services.codec.encode(None))

    def matches(self, event: e.Event) -> bool:
        """A side effect, whatever its function."""
        return isinstance(event, e.SideEffectRecorded)

    def leaf(self, fiber: Fiber, path: str) -> Node:
        """Settled already: the recorded value, as it will be at every replay."""
        node = Node(path)
        recorded: Any = self.execution.ledger.last_output
        if recorded.failure is None:
            node.settle(self.execution.services.codec.decode(recorded.value))
        else:
            node.settle(error=ActivityFailed("side_effect", failure=recorded.failure, attempts=1))
        return node
