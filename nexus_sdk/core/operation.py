"""Operations: what workflow code asks for. Building one does nothing; yielding, awaiting or passing it on uses it."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nexus_sdk.core.current import running
from nexus_sdk.core.node import Node
from nexus_sdk.core.program import Site, site_of
from nexus_sdk.errors import DefinitionError, PayloadError

if TYPE_CHECKING:
    from nexus_sdk.core.events import Event, Output
    from nexus_sdk.core.execution import Execution
    from nexus_sdk.core.fiber import Fiber

T_co = TypeVar("T_co", covariant=True)


class Operation(Generic[T_co]):
    """Something durable that a workflow may do. Subclasses say what `start` does.

    Built only inside a workflow. It must be used exactly once.
    """

    __slots__ = ("__weakref__", "_fiber", "_is_used", "site")
    what = "operation"

    def __init__(self) -> None:
        execution = running.get()
        if execution is None:
            raise DefinitionError(
                f"a {self.what} was built outside a running workflow.",
                hint="Operations belong in the body of a workflow, or in its async def helpers.",
            )
        if execution.rules.is_read_only:
            execution.rules.refuse_when_read_only(self.what)
        self.site: Site | None = site_of(sys._getframe(2))  # past the constructors
        self._is_used = False
        self._fiber = fiber = execution.fiber
        if fiber.fresh is not None:
            fiber.put_aside()
        fiber.fresh = self

    def __await__(self) -> Generator[Any, Any, T_co]:
        if self._fiber.execution.rules.refuses_await():
            self.discard()
            raise GeneratorExit  # the workflow is being dropped: operations are inert
        return (yield self)  # type: ignore[no-any-return]

    def use(self) -> None:
        """Note that it is used; using it twice is the code's fault."""
        if self._is_used:
            raise self._fiber.execution.rules.refuse_second_use(self)
        self._is_used = True
        fiber = self._fiber
        if fiber.fresh is self:
            fiber.fresh = None
        else:
            fiber.unused.pop(id(self), None)

    def discard(self) -> None:
        """Note that it will not run, and that nobody forgot it."""
        if not self._is_used:
            self.use()

    @property
    def is_used(self) -> bool:
        """Whether it was yielded, awaited, spawned or passed on."""
        return self._is_used

    @property
    def execution(self) -> Execution:
        """The execution it belongs to."""
        return self._fiber.execution

    @property
    def label(self) -> str:
        """What to call it in messages, e.g. ``activity 'charge'``."""
        return self.what

    @abstractmethod
    def start(self, fiber: Fiber, path: str) -> Node:
        """Begin it for `fiber`, under `path`."""
        ...


class RecordedOperation(Operation[T_co]):
    """An operation whose start is an event of the history: recorded when live, compared at replay."""

    __slots__ = ()

    @abstractmethod
    def record(self, path: str) -> Output:
        """The event that says it was asked for.

        Raises:
            PayloadError: what goes with it cannot be encoded.
        """
        ...

    def outline(self, path: str) -> Output:
        """The same event for a message: made without running anything of the user's."""
        return self.record(path)

    @abstractmethod
    def matches(self, event: Event) -> bool:
        """Whether a recorded event with its path says the same (arguments are not compared)."""
        ...

    @abstractmethod
    def leaf(self, fiber: Fiber, path: str) -> Node:
        """The node that waits for the outcome."""
        ...

    def start(self, fiber: Fiber, path: str) -> Node:
        """See `Operation.start`. What cannot be encoded is raised at the line that asked for it."""
        try:
            fiber.execution.ledger.output(self, path)
        except PayloadError as error:
            refused = Node(path)
            refused.settle(error=error)
            return refused
        return self.leaf(fiber, path)
