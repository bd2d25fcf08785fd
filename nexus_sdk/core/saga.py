"""`ctx.saga()`: what completed inside is undone, newest first, if the block raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nexus_sdk.core.fiber import Fiber, Unwind
from nexus_sdk.core.node import AllSettled, Node
from nexus_sdk.core.operation import Operation
from nexus_sdk.errors import CancelledError, CompensationFailed

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Execution
    from nexus_sdk.core.operations.activity import ActivityLeaf

Undo = tuple[str, Callable[[], Operation[Any]]]


class AwaitNodes(Operation[None]):
    """Waits until all of some nodes have settled."""

    __slots__ = ("nodes",)
    what = "wait for what is in flight"

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__()
        self.nodes = nodes

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`."""
        return AllSettled(path, self.nodes)


class Saga:
    """The undos of one `async with` block.

    Every activity with a `compensate=` that completes inside registers its undo. Leaving on an error waits for the
    true outcome of what is in flight, then undoes newest first, shielded from cancellation and timeouts; every undo
    is tried. Ending well hands the undos to the saga around it. `complete` undoes nothing.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._undos: list[Undo] = []
        self._outer: Saga | None = None
        self._is_over = False
        self.in_flight: dict[str, ActivityLeaf] = {}
        self.helpers: list[Fiber] = []

    def add(self, operation: Operation[Any]) -> None:
        """Register an undo by hand; it runs if the block raises."""
        operation.use()
        self._undos.append((operation.label, lambda: operation))

    def completed(self, name: str, compensate: Callable[[Any], Operation[Any]], value: Any) -> None:
        """Note that an activity completed and how it is undone."""
        saga: Saga | None = self
        while saga is not None and saga._is_over:  # it ended well meanwhile: the saga around it has the undos now
            saga = saga._outer
        if saga is not None:
            saga._undos.append((f"undo of {name!r}", lambda: compensate(value)))

    async def __aenter__(self) -> Saga:
        fiber = self._execution.fiber
        self._outer, fiber.saga = fiber.saga, self
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._execution.rules.is_disposing:
            return
        fiber = self._execution.fiber
        fiber.saga = self._outer
        if error is not None and not isinstance(error, Unwind | GeneratorExit):
            failures = await self._compensate(fiber)
            if failures:
                raise CompensationFailed(failures) from error
            return
        self._hand_over(self._outer if error is None else None)

    def _hand_over(self, heir: Saga | None) -> None:
        """Leave undos, and what still runs, to the saga around this one; None: to nobody."""
        self._is_over = True
        self._outer = heir
        for leaf in self.in_flight.values():
            leaf.saga = heir
        for helper in self.helpers:
            if helper.saga is self:
                helper.saga = heir
        if heir is not None:
            heir._undos += self._undos
            heir.helpers += self.helpers
            heir.in_flight.update(self.in_flight)
        self._undos, self.helpers, self.in_flight = [], [], {}

    async def _compensate(self, fiber: Fiber) -> list[tuple[str, BaseException]]:
        failures: list[tuple[str, BaseException]] = []
        outer, fiber.saga = fiber.saga, None  # an undo is not itself undone
        fiber.shields += 1
        try:
            for helper in self.helpers:
                helper.cancel()
            await self._settled([helper for helper in self.helpers if not helper.is_settled])
            await self._settled([leaf.truth for leaf in self.in_flight.values()])
            while self._undos:
                name, build = self._undos.pop()
                try:
                    await _used_again(build())
                except (Exception, CancelledError) as error:
                    failures.append((name, error))
        finally:
            fiber.unshield()
            fiber.saga = outer
        return failures

    async def _settled(self, nodes: Sequence[Node]) -> None:
        if nodes:
            await AwaitNodes(nodes)


class _Again(Operation[Any]):
    """An operation that was marked as used when it was registered, run now."""

    __slots__ = ("operation",)

    def __init__(self, operation: Operation[Any]) -> None:
        super().__init__()
        self.operation = operation

    def start(self, fiber: Fiber, path: str) -> Node:
        return self.operation.start(fiber, path)


def _used_again(operation: Operation[Any]) -> Operation[Any]:
    if operation.is_used:
        return _Again(operation)
    return operation
