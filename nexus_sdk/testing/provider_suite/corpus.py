"""The engine on the store: every shape of the corpus comes to its end, with the histories it has in memory.

Compared is what happened to each operation of every run of every instance; not times, batches, and the order of what
happens at the same time. See `nexus_sdk.testing.crashes.Telling`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.workflow import workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Store
from nexus_sdk.testing.crashes import Telling
from nexus_sdk.testing.environment import WorkflowEnvironment
from nexus_sdk.testing.laws import check_laws, check_replays
from nexus_sdk.testing.provider_suite.shapes import ACTIVITIES, SHAPES, WORKFLOWS
from nexus_sdk.testing.provider_suite.shapes.activities import repeat
from nexus_sdk.testing.provider_suite.sizes import text_of

CRASHED = ("race", "children", "saga that fails", "events to and fro", "spawned and continue_as_new")
"""Shapes that are crashed at every call on the store under test; a few, as each crash is a run of its own."""

_in_memory: dict[str, tuple[object, Telling]] = {}


@workflow
async def echo(ctx: Context, text: str) -> str:
    """A text as argument, result of an activity, event and result."""
    heard = await ctx.wait_for_event("text", str)
    return heard + await repeat(text)


async def told(name: str, store: Store) -> tuple[object, Telling]:
    """What a shape comes to on a store, and what its histories tell; held to the laws of histories."""
    async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES, store=store) as env:
        end = await SHAPES[name].play(env)
        await check_laws(store)
        await check_replays(store, env.app.registry, env.app.codec)
        return end, await Telling.of(env, "")


class CorpusLaws:
    """Workflows from end to end."""

    @pytest.mark.parametrize("name", SHAPES)
    async def test_a_shape_has_the_end_and_the_histories_that_it_has_in_memory(
        self, fresh_store: Callable[[], Store], name: str
    ) -> None:
        if name not in _in_memory:
            _in_memory[name] = await told(name, MemoryStore())
        store = fresh_store()
        try:
            end, telling = await told(name, store)
        finally:
            await store.close()
        assert end == SHAPES[name].result
        assert (end, telling) == _in_memory[name]

    @pytest.mark.parametrize("name", CRASHED)
    async def test_a_shape_survives_a_crash_at_every_call(self, fresh_store: Callable[[], Store], name: str) -> None:
        shape = SHAPES[name]
        async with WorkflowEnvironment(WORKFLOWS, ACTIVITIES) as env:
            crashes = await env.crash_everywhere(
                shape.workflow, *shape.arguments, script=shape.script, new_store=fresh_store, **shape.options
            )
        assert crashes > 5

    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    async def test_a_text_at_the_limit_of_what_travels_inline_comes_back(
        self, fresh_store: Callable[[], Store], beyond: int
    ) -> None:
        store = fresh_store()
        size = store.capabilities.payload_bytes_max
        header = MsgpackCodec().encode("x" * size).size - size
        text = text_of(size - header + beyond).decode()
        try:
            async with WorkflowEnvironment([echo], [repeat], store=store) as env:
                handle = await env.start(echo, text)
                await handle.send_event("text", text)
                assert await handle.result() == text * 3
                await check_laws(store)
        finally:
            await store.close()
