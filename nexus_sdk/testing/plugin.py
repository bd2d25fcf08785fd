"""The pytest plugin: the fixture `nexus_env`. PYTEST_DONT_REWRITE

It is imported by every pytest run of whoever has installed this package. So it imports nothing but pytest; everything
else is loaded by the first test that uses the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment


@pytest.fixture
def nexus_env() -> Iterator[Callable[..., Any]]:
    """Make workflow environments that are closed when the test ends.

    ``nexus_env(workflows=[…], activities=[…], …)`` takes what `nexus_sdk.testing.WorkflowEnvironment` takes. In an
    async test it gives that environment, begun by its first use (or by `async with`); in a synchronous one its
    synchronous face, whose methods wait: ``env.run(fulfil, order)``.
    """
    import asyncio

    from nexus_sdk.testing.environment import WorkflowEnvironment

    made: list[tuple[WorkflowEnvironment, asyncio.AbstractEventLoop | None]] = []

    def make(*args: Any, **options: Any) -> Any:
        env = WorkflowEnvironment(*args, **options)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            made.append((env, None))
            return env.__enter__()
        made.append((env, loop))
        return env

    yield make
    while made:
        env, loop = made.pop()
        if loop is None:
            env.__exit__()
        else:
            _close(env, loop)


def _close(env: WorkflowEnvironment, loop: Any) -> None:
    """Close an environment after its test. Its event loop may be over by now, and took the workers with it."""
    if loop.is_closed() or loop.is_running():
        env.give_up()
    else:
        loop.run_until_complete(env.close())
