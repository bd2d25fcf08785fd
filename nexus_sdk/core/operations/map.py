"""`ctx.map`: one function over many items, so many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.operations.group import Group, is_result, take

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber


class MapOperation(Operation[list[Any]]):
    """Runs `function(item)` for each item, at most `concurrency` at a time; results in the order of the items."""

    __slots__ = ("concurrency", "function", "items", "return_exceptions")
    what = "map"

    def __init__(
        self, function: Callable[[Any], Any], items: Sequence[Any], concurrency: int | None, return_exceptions: bool
    ) -> None:
        super().__init__()
        self.function = function
        self.items = items
        self.concurrency = concurrency or len(items)
        self.return_exceptions = return_exceptions

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`."""
        return MapNode(fiber, path, self)


class MapNode(Group):
    """A map that runs."""

    __slots__ = ("_is_filling", "_under_way", "missing", "next_index", "operation", "results")

    def __init__(self, fiber: Fiber, path: str, operation: MapOperation) -> None:
        super().__init__(fiber, path)
        self.operation = operation
        self.results: list[Any] = [None] * len(operation.items)
        self.missing = len(operation.items)
        self.next_index = 0
        self._under_way = 0
        self._is_filling = False
        if not operation.items:
            self.decide([])
        self._fill()

    def ended(self, index: int, node: Node) -> None:
        """See `Group.ended`."""
        self._under_way -= 1
        self._take(index, node.value, node.error)
        self._fill()

    def _fill(self) -> None:
        """Start items up to the bound. A loop and not a recursion: thousands may settle as soon as they start."""
        if self._is_filling:
            return
        self._is_filling = True
        while self._under_way < self.operation.concurrency and self.next_index < len(self.results):
            if self.is_decided:
                break
            index, self.next_index = self.next_index, self.next_index + 1
            self._start_item(index)
        self._is_filling = False

    def _start_item(self, index: int) -> None:
        execution = self.fiber.execution
        try:
            with execution.running_as(self.fiber):
                what = self.operation.function(self.operation.items[index])
                take([what], "the function of ctx.map must give an operation or a helper; ctx.map")
        except BaseException as error:
            execution.rules.raise_fault()
            execution.rules.check_raised(error)
            self._take(index, None, error)
            return
        if isinstance(what, Operation) and what.site is None:
            what.site = self.operation.site  # an activity or child called by the map itself
        self._under_way += 1
        self.begin(index, what)

    def _take(self, index: int, value: Any, error: BaseException | None) -> None:
        if error is not None and not (self.operation.return_exceptions and is_result(error)):
            self.decide(error=error)
            return
        self.results[index] = value if error is None else error
        self.missing -= 1
        if self.missing == 0:
            self.decide(self.results)
