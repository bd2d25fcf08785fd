"""Instances that cannot go on: blocked after few tries, with the reason; others do not notice; mended, they go on.

The kinds are in `poisons`.
"""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from nexus_sdk import Context, Workflow, workflow
from nexus_sdk.codec.chain import CodecChain
from nexus_sdk.codec.encryption import Encryption
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.engine.courtesy import UNSERVED_TRIES
from nexus_sdk.testing import WorkflowEnvironment
from tests.engine.poisons import ARGUMENT, KEY, POISONS, Exchanged, Poison, Stored, _order, charge, pack

LOADS_MAX = UNSERVED_TRIES + 10
NEIGHBOURS = 10

neighbourly = _order(name="neighbour")


def environment_on(store: Stored, codec: Exchanged, known: Workflow[Any, Any]) -> WorkflowEnvironment:
    """One whose clients know this workflow; whoever is to work is hired apart."""
    served, acts = [known, neighbourly], [charge, pack]
    return WorkflowEnvironment(
        served, acts, store=store, codec=codec, clock="manual", has_worker=False, spin_seconds=0.05
    )


async def spoilt(env: WorkflowEnvironment, poison: Poison) -> Any:
    """An instance that began well, and a neighbour like it; nobody works."""
    async with env.another_worker([poison.before, neighbourly], [charge, pack]):
        handle = await env.start(poison.before, ARGUMENT, id="poison")
        await env.start(neighbourly, id="neighbour")
        await env.settle()
    return handle


@pytest.mark.parametrize("name", POISONS)
async def test_it_is_blocked_after_few_tries_and_goes_on_when_it_is_mended(name: str) -> None:
    poison, store, codec = POISONS[name], Stored(), Exchanged(CodecChain(Encryption({"2025": KEY})))
    async with AsyncExitStack() as stack, environment_on(store, codec, poison.before) as env:
        handle = await spoilt(env, poison)
        spoiling = poison.spoil(store, codec) if poison.spoil is not None else iter(())
        stack.callback(partial(deque, spoiling, maxlen=0))
        next(spoiling, None)
        store.loads.clear()
        async with env.another_worker([*poison.today, neighbourly], [charge, pack]):
            await handle.send_event("go")
            for _ in range(10):
                await env.advance("1m")
            status = await handle.status()
            assert (status.status, status.failure and status.failure.code) == ("blocked", poison.code)
            assert poison.says in status.failure.message
            assert [one.id for one in await env.client.list(status="blocked")] == ["poison"]
            told = [text for level, text, _ in env.said if level == "warning" and text.startswith("poison is blocked")]
            assert len(told) == 1
            assert store.loads.count("poison") <= LOADS_MAX
            store.loads.clear()
            store.commits.clear()
            await env.advance("1d")
            assert (store.loads.count("poison"), store.commits.count("poison")) == (0, 0)
            assert await cost_of_neighbours(env, store) == await cost_without_poison()

        next(spoiling, None)
        async with env.another_worker([poison.before, neighbourly], [charge, pack]):
            await handle.resume()
            await env.advance("1m")
            assert await handle.result() == ARGUMENT
        kinds = [type(event) for event in await env.history(handle)]
        assert kinds.count(e.WorkflowBlocked) == 1


async def cost_of_neighbours(env: WorkflowEnvironment, store: Stored) -> tuple[int, int]:
    """What some healthy instances take, from their start to their end, all others at rest: loads and commits."""
    store.loads.clear()
    store.commits.clear()
    for number in range(NEIGHBOURS):
        neighbour = await env.start(neighbourly, id=f"neighbour-{number}")
        await neighbour.send_event("go")
    await env.settle()
    for number in range(NEIGHBOURS):
        assert await env.get(f"neighbour-{number}").result() == 7
    return len(store.loads), len(store.commits)


async def cost_without_poison() -> tuple[int, int]:
    """The same where there is nothing else."""
    store, codec = Stored(), Exchanged(CodecChain(Encryption({"2025": KEY})))
    async with (
        environment_on(store, codec, neighbourly) as env,
        env.another_worker([neighbourly], [charge, pack]),
    ):
        return await cost_of_neighbours(env, store)


async def test_a_hundred_of_them_cost_their_neighbours_nothing() -> None:
    costs = []
    for poisons in (0, 100):
        store, codec = Stored(), Exchanged(CodecChain(Encryption({"2025": KEY})))
        bad = _order("number")
        async with environment_on(store, codec, bad) as env, env.another_worker([bad, neighbourly], [charge, pack]):
            for number in range(poisons):
                handle = await env.start(bad, id=f"poison-{number}")
                await handle.send_event("go")
            await env.settle()
            assert await env.client.count(status="blocked") == poisons
            costs.append(await cost_of_neighbours(env, store))
    assert costs[0] == costs[1]


@workflow(name="order")
async def no_better(ctx: Context, number: Any = 7):
    yield charge(1)
    yield ctx.wait_for_event("go")
    while number:
        pass


@workflow(name="order")
async def mended(ctx: Context, number: Any = 7):
    yield charge(1)
    yield ctx.wait_for_event("go")
    yield ctx.complete((yield pack(number)))


async def test_of_those_that_spin_one_shows_what_the_others_would_do() -> None:
    """A worker that tries one does nothing else meanwhile."""
    store, codec, bad = Stored(), Exchanged(MsgpackCodec()), _order("spins")
    async with environment_on(store, codec, bad) as env:
        handles = []
        async with env.another_worker([bad], [charge, pack]):
            for number in range(5):
                handles.append(await env.start(bad, ARGUMENT, id=f"poison-{number}"))
                await handles[-1].send_event("go")
            await env.settle()
        assert await env.client.count(status="blocked") == 5
        store.loads.clear()
        async with env.another_worker([bad], [charge, pack]):  # the same build
            await env.advance("1m")
        assert store.loads == []
        async with env.another_worker([no_better], [charge, pack]):  # another one
            for _ in range(5):
                await env.advance("10s")
        assert len(store.loads) == 1
        async with env.another_worker([mended], [charge, pack]):
            for _ in range(5):
                await env.advance("10s")
            assert [await handle.result() for handle in handles] == [ARGUMENT] * 5
