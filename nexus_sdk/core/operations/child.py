"""Child workflows: instances of their own, whose outcome comes back to the operation that started them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_sdk.core import events as e
from nexus_sdk.core.failure import details_of
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import RecordedOperation, T_co
from nexus_sdk.core.program import Site, line_of
from nexus_sdk.errors import CancelledError, ChildWorkflowFailed

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class ChildOperation(RecordedOperation[T_co]):
    """Starts `workflow` as a child and waits for its result.

    Args:
        instance_id: the child's id; by default made of the parent's id and the operation's path.
        is_detached: it outlives its parent, and is not cancelled with it.
    """

    __slots__ = ("arguments", "instance_id", "is_detached", "result_type", "timeout_us", "version", "workflow")
    what = "child workflow"

    def __init__(
        self,
        workflow: str,
        version: str,
        arguments: dict[str, Any],
        *,
        instance_id: str | None = None,
        is_detached: bool = False,
        timeout_us: int | None = None,
        result_type: Any = Any,
    ) -> None:
        super().__init__()
        self.workflow = workflow
        self.version = version
        self.arguments = arguments
        self.instance_id = instance_id
        self.is_detached = is_detached
        self.timeout_us = timeout_us
        self.result_type = result_type

    @property
    def label(self) -> str:
        """See `Operation.label`."""
        return f"child workflow {self.workflow!r}"

    def record(self, path: str) -> e.ChildScheduled:
        """See `RecordedOperation.record`."""
        child_id = self.instance_id or self.execution.identity.child_id(path)
        return e.ChildScheduled(
            path,
            line_of(self.site),
            child_id,
            self.workflow,
            self.version,
            self.execution.services.codec.bound_to(child_id).encode(self.arguments),
            self.is_detached,
            self.timeout_us,
        )

    def matches(self, event: e.Event) -> bool:
        """The same workflow, whatever its arguments and id."""
        return isinstance(event, e.ChildScheduled) and event.workflow == self.workflow

    def leaf(self, fiber: Fiber, path: str) -> Node:
        """See `RecordedOperation.leaf`."""
        recorded = self.execution.ledger.last_output
        child_id = recorded.instance_id if isinstance(recorded, e.ChildScheduled) else (self.instance_id or "")
        return ChildLeaf(fiber, path, self.site, child_id, self.is_detached, self.result_type)


class ChildLeaf(Leaf):
    """A child that runs."""

    __slots__ = ("child_id", "is_detached", "result_type")

    def __init__(
        self, fiber: Fiber, path: str, site: Site | None, child_id: str, is_detached: bool, result_type: Any
    ) -> None:
        super().__init__(fiber, path, site)
        self.child_id = child_id
        self.is_detached = is_detached
        self.result_type = result_type

    def apply(self, event: e.Event) -> None:
        """It ended."""
        self.forget()
        codec = self.execution.services.codec
        if isinstance(event, e.ChildFailed):
            failure = event.failure
            self.settle(error=ChildWorkflowFailed(self.child_id, failure=failure, details=details_of(failure, codec)))
        elif isinstance(event, e.ChildCompleted):
            self.settle_decoded(event.result, self.result_type, codec.bound_to(self.child_id))

    @property
    def awaited(self) -> str:
        """See `Leaf.awaited`."""
        return f"the result of child workflow {self.child_id!r}"

    def cancel(self, reason: str = "") -> None:
        """Ask an attached child to stop, and do not wait for that."""
        if not self.is_settled:
            if not self.is_detached:
                self.execution.ledger.note(e.ChildCancelRequested, self.path, self.site)
            self.forget()
            self.settle(error=CancelledError(reason))
