"""The rules that workflow code must keep, and how a breach is told. No user code can swallow one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_sdk.core.program import Program, Site, Surfaced, line_of
from nexus_sdk.core.refusal import refused_await, refused_yield, turned_out_foreign
from nexus_sdk.errors import BlockingError, ReadOnlyError, UnusedOperationError

if TYPE_CHECKING:
    from nexus_sdk.core.fiber import Fiber
    from nexus_sdk.core.operation import Operation


class Rules:
    """Keeps watch over one execution.

    Args:
        name: how messages call the instance.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.fault: BlockingError | None = None
        """The first breach of the code."""
        self.dropped: list[BlockingError] = []
        """Operations that were dropped unused in the step that runs."""
        self._refused_awaits = 0
        self.is_disposing = False
        """The execution is being dropped: operations are inert, nothing is reported."""
        self.is_read_only = False
        """A query is being answered."""

    # --- faults -----------------------------------------------------------------------------------------------------

    def blame(self, fault: BlockingError) -> BlockingError:
        """Note a fault of the code that no user code may swallow; returned, to be raised."""
        self.fault = self.fault or fault
        return fault

    def raise_fault(self) -> None:
        """Raise the fault that was noted, if any."""
        if self.fault is not None:
            raise self.fault

    def check_raised(self, error: BaseException) -> None:
        """Stop at faults that came out of the body as exceptions."""
        self.dropped.clear()
        if isinstance(error, KeyboardInterrupt):
            raise error
        fault = turned_out_foreign(self._name, error)
        if fault is not None:
            raise fault

    def refuse_surfaced(self, program: Program, how: Surfaced, what: Any) -> None:
        """Something surfaced that is not an operation."""
        refuse = refused_yield if how is Surfaced.YIELDED else refused_await
        raise refuse(self._name, program, what)

    def refuse_when_read_only(self, what: str) -> None:
        """Queries may not do durable work."""
        if self.is_read_only:
            raise ReadOnlyError(
                f"{self._name}: a query may not use a {what}: it is read-only.",
                hint="Let the handler return plain data that the body keeps.",
            )

    # --- every operation is used once ---------------------------------------------------------------------------------

    def refuse_second_use(self, operation: Operation[Any]) -> BlockingError:
        """The fault of using an operation twice, noted and to be raised."""
        return self.blame(
            UnusedOperationError(
                f"{self._name}: the {operation.label} built at {line_of(operation.site)} is used twice.",
                hint="Each operation runs once: build a new one for each use, or ctx.spawn it and wait for that.",
            )
        )

    def report_dropped(self, label: str, site: Site | None) -> None:
        """An operation was dropped unused."""
        if not self.is_disposing:
            self.dropped.append(self._unused(label, site, "was dropped without being used"))

    def check_unused(self, fiber: Fiber) -> None:
        """Raise if a fiber ends with an operation built and not used."""
        for reference in fiber.unused.values():
            operation = reference()
            if operation is not None:
                raise self._unused(operation.label, operation.site, "is still unused at the end")

    def refuses_await(self) -> bool:
        """Whether an operation may not be awaited, because the workflow is being dropped.

        Code that swallows every refusal in a loop would never end: after many it is left suspended instead.
        """
        if not self.is_disposing:
            return False
        self._refused_awaits += 1
        return self._refused_awaits < 1_000

    def _unused(self, label: str, site: Site | None, how: str) -> UnusedOperationError:
        return UnusedOperationError(
            f"{self._name}: the {label} built at {line_of(site)} {how}.",
            hint="A forgotten `yield` or `await`? To start something now and wait for it later, ctx.spawn it.",
        )
