"""Groups: several operations at once. What gather, race and map have in common."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.program import CoroutineProgram
from nexus_sdk.errors import CancelledError, DefinitionError

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber

Startable: TypeAlias = "Operation[Any] | Coroutine[Any, Any, Any]"
"""What may be passed to gather, race, map and spawn: an operation, or a helper that was called but not awaited."""


def take(elements: Sequence[Any], where: str) -> None:
    """Note elements as used by what they are passed to, if all of them can be run.

    Raises:
        DefinitionError: one is neither an operation nor a called `async def` helper; none is used then.
    """
    for what in elements:
        if not isinstance(what, Operation | CoroutineType):
            raise DefinitionError(
                f"{where} takes operations and called async def helpers, not {type(what).__name__}.",
                hint="Pass charge(order), ctx.sleep(…), another workflow's call, or helper(…) without await.",
            )
    for what in elements:
        if isinstance(what, Operation):
            what.use()


def is_result(error: BaseException) -> bool:
    """Whether `return_exceptions=True` puts it among the results, as asyncio's gather does."""
    return isinstance(error, Exception | CancelledError)


def start(what: Startable, fiber: Fiber, path: str) -> Node:
    """Start one element, already taken, under `path`: an operation as it is, a helper in a fiber of its own."""
    if isinstance(what, Operation):
        return what.start(fiber, path)
    from nexus_sdk.core.fiber import Fiber as NewFiber  # fibers start operations, operations start fibers

    helper = NewFiber(fiber.execution, path, CoroutineProgram(what), saga=fiber.saga)
    fiber.execution.ready.append((helper, None, None))
    return helper


class Group(Node):
    """Runs elements and decides when it has enough.

    Once decided, what it started and has not finished is cancelled; it settles when all of that has settled, so that
    the durable clean-up of cancelled helpers is over by then.
    """

    __slots__ = ("_running", "fiber", "is_decided")

    def __init__(self, fiber: Fiber, path: str) -> None:
        super().__init__(path)
        self.fiber = fiber
        self.is_decided = False
        self._running: dict[int, Node] = {}

    def begin_all(self, elements: Sequence[Startable]) -> None:
        """Start all elements, in order."""
        for index, element in enumerate(elements):
            try:
                self.begin(index, element)
            except BaseException:
                discard_all(elements[index + 1 :])
                raise

    def begin(self, index: int, what: Startable) -> None:
        """Start element `index`, unless the group is decided already."""
        if self.is_decided:
            discard_all([what])
            return
        node = start(what, self.fiber, f"{self.path}.{index}")
        self._running[index] = node
        node.then(lambda settled: self._ended(index, settled))

    def ended(self, index: int, node: Node) -> None:
        """An element settled while the group was undecided."""

    def decide(self, value: Any = None, error: BaseException | None = None) -> None:
        """Take the outcome, cancel the rest, settle when the rest is over."""
        if self.is_decided:
            return
        self.is_decided = True
        rest = list(self._running.values())
        for node in rest:
            node.cancel()
        missing = [node for node in rest if not node.is_settled]
        if not missing:
            self.settle(value, error)
            return
        remaining = len(missing)

        def one_less(_: Node) -> None:
            nonlocal remaining
            remaining -= 1
            if remaining == 0:
                self.settle(value, error)

        for node in missing:
            node.then(one_less)

    def cancel(self, reason: str = "") -> None:
        """Cancel what it started; settles as cancelled when that is over."""
        self.decide(error=CancelledError(reason))

    def _ended(self, index: int, node: Node) -> None:
        self._running.pop(index, None)
        if not self.is_decided:
            self.ended(index, node)


def discard_all(elements: Sequence[Startable]) -> None:
    """Note that these will not be started."""
    for what in elements:
        if isinstance(what, Operation):
            what.discard()
        else:
            what.close()
