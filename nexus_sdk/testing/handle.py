"""Handles of a test: `result` lets time pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nexus_sdk.authoring.duration import Duration
from nexus_sdk.client.handle import Handle

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment

R = TypeVar("R")

if TYPE_CHECKING:
    _Face = Handle  # what is passed on by `__getattr__`, with its types
else:
    _Face = Generic


class EnvironmentHandle(_Face[R]):
    """A handle whose `result` lets time pass. Everything else is the handle's own."""

    def __init__(self, environment: WorkflowEnvironment, handle: Handle[R]) -> None:
        self._environment = environment
        self._handle = handle
        self.id: str = handle.id

    async def result(self, timeout: Duration | None = None) -> R:
        """The result, time passing as it must.

        Args:
            timeout: so much of the environment's time may pass.

        Raises:
            WorkflowFailed, WorkflowCancelled, WorkflowTerminated: it ended so.
            BlockingError: it is blocked.
            NothingIsDue: nothing is due that could finish it.
            ClockRunsAway: it goes on for ever.
            MockExhausted: a mock has no more answers.
            WaitTimedOut: it has not ended within `timeout`.
            InstanceNotFound: no such instance.
        """
        return await self._environment.wait_for_end(self._handle, timeout)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return getattr(self._handle, name)
