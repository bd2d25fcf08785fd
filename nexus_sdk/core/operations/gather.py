"""`ctx.gather`: all results, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.operations.group import Group, Startable, discard_all, is_result, take

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class GatherOperation(Operation[list[Any]]):
    """Runs all elements; the first failure is raised, and what the gather started is cancelled."""

    __slots__ = ("elements", "return_exceptions")
    what = "gather"

    def __init__(self, elements: Sequence[Startable], return_exceptions: bool) -> None:
        take(elements, "ctx.gather")
        super().__init__()
        self.elements = elements
        self.return_exceptions = return_exceptions

    def discard(self) -> None:
        """See `Operation.discard`."""
        super().discard()
        discard_all(self.elements)

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`."""
        return GatherNode(fiber, path, self.elements, self.return_exceptions)


class GatherNode(Group):
    """A gather that runs."""

    __slots__ = ("missing", "results", "return_exceptions")

    def __init__(self, fiber: Fiber, path: str, elements: Sequence[Startable], return_exceptions: bool) -> None:
        super().__init__(fiber, path)
        self.return_exceptions = return_exceptions
        self.results: list[Any] = [None] * len(elements)
        self.missing = len(elements)
        if not elements:
            self.decide([])
        self.begin_all(elements)

    def ended(self, index: int, node: Node) -> None:
        """See `Group.ended`."""
        if node.error is not None and not (self.return_exceptions and is_result(node.error)):
            self.decide(error=node.error)
            return
        self.results[index] = node.value if node.error is None else node.error
        self.missing -= 1
        if self.missing == 0:
            self.decide(self.results)
