"""`ctx.timeout(…)`: a block that takes no longer than it is given."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from nexus_sdk.core.node import Node
from nexus_sdk.core.operations.timer import SleepOperation
from nexus_sdk.errors import WaitTimedOut

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Execution
    from nexus_sdk.core.fiber import Fiber


class TimeoutScope:
    """Raises `WaitTimedOut` in the block when time is up; what the block waits on is cancelled first."""

    def __init__(self, execution: Execution, duration_us: int, text: str) -> None:
        self._execution = execution
        self._duration_us = duration_us
        self._error = WaitTimedOut(f"the block took longer than the {text} it was given")
        self._fiber: Fiber | None = None
        self._timer: Node | None = None

    async def __aenter__(self) -> TimeoutScope:
        fiber = self._fiber = self._execution.fiber
        operation = SleepOperation(self._execution.now_us + self._duration_us, "timeout")
        operation.use()
        self._timer = operation.start(fiber, fiber.next_path())
        self._timer.then(self._on_timer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._execution.rules.is_disposing or self._timer is None or self._fiber is None:
            return
        self._fiber.withdraw(self._error)
        self._timer.cancel()
        self._timer = None

    def _on_timer(self, timer: Node) -> None:
        if timer.error is None and self._fiber is not None:
            self._fiber.interrupt(self._error)
