"""For each code of the catalogue one way to get it, with the names that the page of errors uses."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from typing import Any

from nexus_sdk import HistoryLimits, Nexus, NexusError
from nexus_sdk.client.actions import act
from nexus_sdk.codec.base import PAYLOAD_BYTES_MAX
from nexus_sdk.codec.chain import CodecChain
from nexus_sdk.codec.encryption import Encryption
from nexus_sdk.codec.pickles import CloudpickleCodec
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.engine.worker import WorkerOptions
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Capabilities
from nexus_sdk.testing import WorkflowEnvironment
from nexus_sdk.testing.provider_suite.builders import T0, new, turn
from tests.mistakes import deployments, seals, stores
from tests.mistakes.bench import Bench

Make = Callable[[Bench], Awaitable[str]]

_HEAD = """import asyncio
import random
from dataclasses import dataclass
from nexus_sdk import ApplicationError, Context, Retry, activity, workflow

@dataclass
class Order:
    id: str
    total: float

def connect():
    pass

@activity(retry=Retry(initial=0))
def charge(order: str = "") -> dict:
    raise TimeoutError("the bank did not answer")

@activity(retry=Retry(initial=0))
def refund(receipt: str) -> None:
    raise TimeoutError("the bank did not answer")

@activity(compensate=refund)
def reserve() -> str:
    return "a receipt"

@workflow
async def child(ctx: Context):
    raise RuntimeError("out of stock")
    yield

@workflow
async def waiting(ctx: Context):
    ctx.on_query("progress", lambda: 1)
    ctx.on_query("total", lambda: ctx.set_status(1))
    yield ctx.complete((yield ctx.wait_for_event("approved")))

@workflow
async def order(ctx: Context, order: Order, note: str = ""):
    yield ctx.complete(order)

@workflow
async def fulfil(ctx: Context):
    """


def _module(body: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "orders"}
    exec(compile(_HEAD + body + "\n", "orders.py", "exec", dont_inherit=True), names)
    return names


_DEFINITIONS = ("fulfil", "waiting", "order", "child")
_ACTIVITIES = ("charge", "refund", "reserve")


def _environment(body: str = "yield ctx.sleep(1)", **options: Any) -> tuple[WorkflowEnvironment, dict[str, Any]]:
    names = _module(body)
    workflows, activities = ([names[name] for name in group] for group in (_DEFINITIONS, _ACTIVITIES))
    return WorkflowEnvironment(workflows, activities, **options), names


async def _text_of(awaitable: Awaitable[Any]) -> str:
    try:
        result = await awaitable
    except NexusError as error:
        return str(error)
    raise AssertionError(f"nothing was raised: {result!r}")


# --- running ----------------------------------------------------------------------------------------------------------


def _running(body: str, **options: Any) -> Make:
    """What the result of `fulfil` with this body raises."""

    async def make(bench: Bench) -> str:
        env, names = _environment(body, **options)
        async with env:
            return await _text_of((await env.start(names["fulfil"], id="order-42")).result())

    return make


def _raised(body: str) -> Make:
    """What the body sees: it completes with the text of the exception."""
    lines = "".join(f"    {line}\n    " for line in body.splitlines())
    text = f"try:\n    {lines}except Exception as error:\n        yield ctx.complete(str(error))"

    async def make(bench: Bench) -> str:
        env, names = _environment(text)
        async with env:
            return str(await (await env.start(names["fulfil"], id="order-42")).result())

    return make


def _asking(ask: Callable[[WorkflowEnvironment, Any], Awaitable[Any]], workflow: str = "waiting") -> Make:
    """What asking for an instance that waits, `order-42`, raises."""

    async def make(bench: Bench) -> str:
        env, names = _environment()
        async with env:
            handle = await env.start(names[workflow], id="order-42")
            await env.settle()
            return await _text_of(ask(env, handle))

    return make


async def _ended(env: WorkflowEnvironment, handle: Any, how: str, reason: str) -> Any:
    await getattr(handle, how)(reason)
    return await handle.result()


async def _told_when_finished(env: WorkflowEnvironment, handle: Any) -> Any:
    await handle.send_event("approved", True)
    await handle.result()
    await handle.send_event("approved", True)


async def _changed_code(bench: Bench) -> str:
    env, names = _environment("yield ctx.sleep(1)", has_worker=False)
    old = _module('yield ctx.wait_for_event("approved")')
    async with env:
        async with env.another_worker([old["fulfil"]], []):
            handle = await env.start(names["fulfil"], id="order-42")
            await env.settle()
        await env.restart_worker()
        await handle.send_event("approved")
        return await _text_of(handle.result())


async def _changed_bytes(bench: Bench) -> str:
    env, names = _environment(store=f"sqlite:///{bench.folder}/changed.db")
    async with env:
        handle = await env.start(names["waiting"], id="order-42")
        await env.settle()
        with closing(sqlite3.connect(bench.folder / "changed.db")) as other, other:
            other.execute("UPDATE batches SET data = (SELECT data FROM batches WHERE number = 1) WHERE number = 2")
        return await _text_of(handle.history())


async def _served_by_nobody(bench: Bench) -> str:
    env, names = _environment(has_worker=False, clock="manual")
    async with env, env.another_worker([_module("yield")["child"]], []):
        handle = await env.start(names["order"], {"id": "a", "total": 1.0}, id="order-42")
        for _ in range(10):
            await env.advance("1m")
        return await _text_of(handle.result())


class _SmallStore(MemoryStore):
    capabilities = Capabilities(commit_bytes_max=1_000)


async def _large_turn(bench: Bench) -> str:
    env, names = _environment("yield ctx.gather(*(ctx.sleep(n) for n in range(500)))", store=_SmallStore())
    async with env:
        return await _text_of((await env.start(names["fulfil"], id="order-42")).result())


# --- clients and stores -----------------------------------------------------------------------------------------------


def _starting(start: Callable[[Any, dict[str, Any]], Awaitable[Any]]) -> Make:
    async def make(bench: Bench) -> str:
        names = _module("yield")
        app = Nexus("memory://", workflows=[names[name] for name in _DEFINITIONS])

        async def started() -> Any:  # a call that does not fit raises at once
            return await start(app.client(), names)

        return await _text_of(started())

    return make


async def _twice(client: Any, names: dict[str, Any]) -> Any:
    await client.start(names["waiting"], id="order-42")
    await client.start(names["waiting"], id="order-42")


async def _defining(bench: Bench) -> str:
    try:
        exec("@workflow\ndef fulfil(ctx, order): ...", _module("yield"))
    except NexusError as error:
        return str(error)
    raise AssertionError("it was accepted")


def _spoiled(spoil: Callable[[Bench], str]) -> Make:
    async def make(bench: Bench) -> str:
        names = _module("yield")
        app = bench.kept(Nexus(spoil(bench), workflows=[names["order"]]))
        given = {"id": random.Random(1).randbytes(20_000).hex(), "total": 1.0}

        async def started() -> Any:
            return await app.client().start(names["order"], given)

        text = await _text_of(started())
        return text.replace(str(bench.folder), "/data")

    return make


async def _behind(bench: Bench) -> str:
    store = MemoryStore()
    before = await store.create(new("order-42"), now_us=T0)
    await store.commit(turn(before, turn_id="first"), now_us=T0)
    return await _text_of(store.commit(turn(before, turn_id="second"), now_us=T0))


def _reading(read: Callable[[], Any]) -> Make:
    async def make(bench: Bench) -> str:
        async def reading() -> Any:
            return read()

        return await _text_of(reading())

    return make


def _connect() -> None: ...


EXAMPLES: Mapping[str, Make] = {
    "NX101": _defining,
    "NX102": _starting(lambda client, names: client.start(names["order"])),
    "NX201": _changed_code,
    "NX202": _running("await asyncio.sleep(1)\n    yield"),
    "NX203": _running("yield {'x': 1}"),
    "NX204": _running("charge('a lamp')\n    yield ctx.sleep(1)"),
    "NX205": _changed_bytes,
    "NX206": _running("while True: pass\n    yield", spin_seconds=0.1),
    "NX207": _large_turn,
    "NX208": _asking(lambda env, handle: handle.query("total")),
    "NX209": _running(
        "for _ in range(10):\n        yield ctx.sleep(1)",
        worker=WorkerOptions(lease_seconds=1e9, history_limits=HistoryLimits(events_warn=5, events_max=20)),
    ),
    "NX210": _served_by_nobody,
    "NX301": _starting(lambda client, names: client.get("order-24").status()),
    "NX302": _starting(_twice),
    "NX303": _asking(_told_when_finished),
    "NX304": _asking(lambda env, handle: handle.rewind()),
    "NX311": _running("raise RuntimeError('nobody approved the order')\n    yield"),
    "NX312": _asking(lambda env, handle: _ended(env, handle, "cancel", "customer changed their mind")),
    "NX313": _asking(lambda env, handle: _ended(env, handle, "terminate", "stuck for a week")),
    "NX320": _asking(lambda env, handle: handle.query("progres")),
    "NX321": _starting(lambda client, names: client.start(names["waiting"], delay="1 fortnight")),
    "NX322": _starting(lambda client, names: act(client, "strat", {}, seconds=0.0)),
    "NX401": _spoiled(stores._protect_folder),
    "NX402": _behind,
    "NX403": _spoiled(stores._fill_up),
    "NX404": _spoiled(stores._changed(stores._make_newer)),
    "NX405": _spoiled(lambda bench: "postgresql://anna@db/orders"),
    "NX406": _starting(lambda client, names: client.list(cursor="tomorrow")),
    "NX501": _asking(lambda env, handle: handle.send_event("approved", {"items": [1, {"owner": _connect}]})),
    "NX502": _asking(lambda env, handle: handle.send_event("approved", random.Random(1).randbytes(PAYLOAD_BYTES_MAX))),
    "NX503": _reading(lambda: MsgpackCodec().decode(seals.written("sealed"))),
    "NX504": _reading(
        lambda: CloudpickleCodec({"2025": seals.KEY}).bound_to("order-42").decode(seals.written("sealed"))
    ),
    "NX505": _reading(
        lambda: (
            CodecChain(Encryption({"2024": seals.OTHER_KEY})).bound_to("order-42").decode(seals.written("encrypted"))
        )
    ),
    "NX611": _raised("yield charge('a lamp')"),
    "NX612": _raised("yield child()"),
    "NX613": _raised("async with ctx.timeout('10s'):\n    yield ctx.sleep('1h')"),
    "NX614": _raised("async with ctx.saga():\n    yield reserve()\n    raise RuntimeError('no')"),
    "NX701": _asking(lambda env, handle: handle.result()),
    **deployments.EXAMPLES,
}

SECOND_EXAMPLES: Mapping[str, Make] = {
    "NX501": _starting(lambda client, names: client.start(names["order"], {"id": "a", "total": "twelve"})),
}
"""Where a page shows two."""

BASES: Mapping[str, tuple[str, ...]] = {
    "NX000": ("NX301",),
    "NX200": ("NX203",),
    "NX310": ("NX311",),
    "NX610": ("NX611",),
}
"""Codes of classes that are caught and not raised: their example is that of a subclass."""

TOLD_ELSEWHERE = frozenset({"NX601", "NX702", "NX703", "NX704", "NX801"})
"""Their examples are no message, or are made in another way: see the test, and the tests of `nexus_sdk.testing`."""
