"""The environment for synchronous tests: the same one, on an event loop of its own that runs while a call lasts.

It adds no behaviour: each method is the environment's or the handle's of that name, waited for.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle


class _Waited:
    """What stands in front of something whose methods are to be awaited."""

    def __init__(self, behind: Any, runner: asyncio.Runner) -> None:
        self._behind = behind
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._behind, name)
        return self._waiting(found) if inspect.isroutine(found) else found

    def _waiting(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            made = method(*args, **kwargs)
            return self._faced(self._runner.run(made) if inspect.iscoroutine(made) else made)

        return call

    def _faced(self, value: Any) -> Any:
        from nexus_sdk.testing.handle import EnvironmentHandle

        return SyncHandle(value, self._runner) if isinstance(value, EnvironmentHandle) else value

    def __repr__(self) -> str:
        return f"<{self._behind!r}, waited for>"


class SyncHandle(_Waited):
    """An `EnvironmentHandle` whose methods wait: ``handle.result()``, ``handle.send_event("approved", True)``.

    Args:
        handle: that one.
        runner: runs the event loop.
    """

    def __init__(self, handle: EnvironmentHandle[Any], runner: asyncio.Runner) -> None:
        super().__init__(handle, runner)
        self.id: str = handle.id


class SyncEnvironment(_Waited):
    """A `WorkflowEnvironment` whose methods wait: ``env.run(fulfil, order)``, ``env.advance("25h")``.

    ``script=`` of `crash_everywhere` stays an async function of the environment and a handle as they are.

    Args:
        environment: that one.
    """

    def __init__(self, environment: WorkflowEnvironment) -> None:
        super().__init__(environment, asyncio.Runner())
        self._is_closed = False

    def history(self, handle: SyncHandle | str) -> Any:
        """See `WorkflowEnvironment.history`."""
        id = handle if isinstance(handle, str) else handle.id
        return self._runner.run(self._behind.history(id))

    def close(self) -> None:
        """End the workers and the event loop."""
        if not self._is_closed:
            self._is_closed = True
            try:
                self._runner.run(self._behind.close())
            finally:
                self._runner.close()
