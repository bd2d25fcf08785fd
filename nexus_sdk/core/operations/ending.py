"""Ending a run: `ctx.complete` and `ctx.continue_as_new`. Both unwind the body, so that `finally` blocks run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, NoReturn

from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation, T_co
from nexus_sdk.errors import DefinitionError, PayloadError

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber
    from nexus_sdk.core.payload import Payload
    from nexus_sdk.core.program import Site


class Ending:
    """How the run is going to end, once the body is unwound."""

    __slots__ = ("continues", "payload", "site")

    def __init__(self, payload: Payload, site: Site | None, continues: bool) -> None:
        self.payload = payload
        self.site = site
        self.continues = continues


class Completion(Generic[T_co]):
    """What `ctx.complete(value)` gives: yield or await it, and the workflow ends with a `T_co`.

    To a type checker it is no `Operation`: otherwise any result would pass for a workflow that is to end with a `T_co`.
    """

    __slots__ = ()

    @abstractmethod
    def __await__(self) -> Generator[Any, Any, NoReturn]:
        """Awaiting it ends the workflow, too."""
        ...


class CompleteOperation(Operation[NoReturn], Completion[T_co]):
    """Ends the workflow with a value."""

    __slots__ = ("value",)
    what = "complete"

    def __init__(self, value: T_co) -> None:
        super().__init__()
        self.value = value

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`."""
        return _end(fiber, path, self, self.value, continues=False)


class ContinueAsNewOperation(Operation[NoReturn]):
    """Ends this run and starts the next with a fresh history."""

    __slots__ = ("arguments",)
    what = "continue_as_new"

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`. What was done inside an open saga could no longer be undone: an error."""
        main = fiber.execution.main
        if fiber.saga is not None or (main is not None and main.saga is not None):
            refused = Node(path)
            refused.settle(
                error=DefinitionError(
                    "continue_as_new inside an open saga would lose its undos.",
                    hint="Leave the `async with ctx.saga()` block first.",
                )
            )
            return refused
        return _end(fiber, path, self, self.arguments, continues=True)


def _end(fiber: Fiber, path: str, operation: Operation[Any], value: Any, *, continues: bool) -> Node:
    node = Node(path)
    try:
        payload = fiber.execution.services.codec.encode(value)
    except PayloadError as error:
        node.settle(error=error)
        return node
    if not fiber.is_interrupted:  # else the interrupt is raised here, and the run goes on
        fiber.execution.end_with(Ending(payload, operation.site, continues), fiber)
    return node
