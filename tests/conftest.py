"""What tests of running workflows share: the stores, and environments whose histories are held to the laws."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.testing.environment import WorkflowEnvironment
from nexus_sdk.testing.laws import check_laws, check_replays

settings.register_profile(
    "ordinary",
    derandomize=True,  # a failure belongs to a change, never to a run; new examples are looked for in the nightly run
    deadline=None,
    database=None,
    # No shrinking: what a time limit interrupts would be tried again and again, for which there is no limit any more.
    phases=[Phase.explicit, Phase.generate],
)
settings.register_profile("nightly", deadline=None)
settings.load_profile("nightly" if os.environ.get("NEXUS_NIGHTLY") == "1" else "ordinary")

MakeEnvironment = Callable[..., Any]
"""`await environment(*definitions, **options)`: an environment that lives until the test ends."""


@pytest.fixture(params=["memory", "split", "sqlite"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each store in turn."""
    urls = {"memory": "memory://", "split": "memory://?profile=split", "sqlite": f"sqlite:///{tmp_path}/nexus.db"}
    return urls[request.param]


@pytest.fixture
async def environment(store_url: str) -> AsyncIterator[MakeEnvironment]:
    """Makes environments on the store. At the end of the test every history in it must keep the laws.

    `replays=False`: the test has changed code on purpose, and its histories are not replayed with the first one.
    """
    checked: list[tuple[WorkflowEnvironment, bool]] = []
    async with AsyncExitStack() as stack:

        async def make(*definitions: Any, replays: bool = True, **options: Any) -> WorkflowEnvironment:
            env = WorkflowEnvironment(
                [one for one in definitions if isinstance(one, Workflow)],
                [one for one in definitions if isinstance(one, Activity)],
                **{"store": store_url, **options},
            )
            await stack.enter_async_context(env)
            checked.append((env, replays))
            return env

        yield make
        for env, replays in checked:
            await check_laws(env.app.store)
            if replays:
                await check_replays(env.app.store, env.app.registry, env.app.codec)
