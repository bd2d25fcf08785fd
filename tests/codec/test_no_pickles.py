"""Nothing on the default read path unpickles, whatever somebody has written into the store.

Every stored field in turn holds a pickle that tells when it is loaded, raw and as a payload that claims to be one; then
everything that reads is asked to.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sqlite3
import sys
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import Context, Nexus, NexusError, activity, workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.codec.wire_json import batch_to_json
from nexus_sdk.core.payload import Payload
from nexus_sdk.testing import WorkflowEnvironment

LOADED: list[str] = []


def tell() -> None:
    LOADED.append("loaded")


class Canary:
    """Its pickle says that it was loaded."""

    def __reduce__(self) -> Any:
        return tell, ()


CANARIES = {
    "pickle": pickle.dumps(Canary()),
    "protocol 0": pickle.dumps(Canary(), protocol=0),
}
PATIENCE_SECONDS = 0.1
"""A worker makes nothing of some tables that were written to by hand, again and again; by then it has looked."""

_is_listening = False
_unpickled: list[str] = []


def _hear(event: str, arguments: Any) -> None:
    if _is_listening and event == "pickle.find_class":
        _unpickled.append(str(arguments))


sys.addaudithook(_hear)


class Planting(MsgpackCodec):
    """Writes a canary for every value, and knows by heart what it stands for."""

    def __init__(self, encoding: str, canary: bytes) -> None:
        super().__init__()
        self.encoding = encoding
        self.canary = canary
        self.values: dict[bytes, Any] = {}

    def bound_to(self, owner: str) -> Planting:
        return self

    def can_read(self, encoding: str) -> bool:
        return True

    def encode(self, value: Any) -> Payload:
        data = self.canary + super().encode(value).digest  # a pickle ends where it ends: what follows is ignored
        self.values[data] = value
        return Payload(self.encoding, data, sha256(data).digest(), len(data))

    def decode(self, payload: Payload, type_: Any = Any) -> Any:
        return self.convert(self.values[payload.data or b""] if payload.encoding else None, type_)


@activity
async def act(x: int) -> int:
    return x + 1


@activity(task_queue="nobody's")
async def never(x: int) -> int:
    return x


@workflow
async def planted(ctx: Context, x: int):
    ctx.on_query("x", lambda: x)
    ctx.set_status({"x": x})
    x = yield act(x)
    x += yield ctx.side_effect(lambda: 1)
    yield ctx.race(go=ctx.wait_for_event("go"), never=never(x))
    yield ctx.complete(x)


@workflow
async def broken(ctx: Context, x: int):
    yield act(x)
    raise ValueError("broken")


DEFINITIONS: Any = {"workflows": [planted, broken], "activities": [act]}


async def write_everything(path: Path, codec: Any) -> None:
    """A store with one instance of each kind of end, one that waits with a task, and events that nobody has read."""
    async with WorkflowEnvironment(**DEFINITIONS, store=f"sqlite:///{path}", codec=codec, clock="manual") as env:
        for id in ("done", "waiting"):
            handle = await env.start(planted, 1, id=id, attributes={"a": "b"})
            await env.settle()
        await env.get("done").send_event("go")
        await env.start(broken, 1, id="broken")
        await env.settle()
        await env.crash_worker()
        handle = env.get("waiting")
        await handle.send_event("go", {"x": 1})
        await handle.send_event("other", {"x": 1})


async def read_everything(path: Path) -> list[str]:
    """Ask for everything, and let a worker have its way. The codes of the errors that came."""
    said: list[str] = []
    async with WorkflowEnvironment(**DEFINITIONS, store=f"sqlite:///{path}", clock="manual", has_worker=False) as env:
        client = env.app.client()
        for id in ("done", "waiting", "broken"):
            handle = client.get(id)
            asks: list[Any] = [handle.status, handle.history, lambda h=handle: h.query("x")]
            asks += [handle.result, handle.rewind] if id != "waiting" else []
            for ask in asks:
                try:
                    found = await ask()
                    if ask == handle.history:
                        json.dumps([batch_to_json(batch) for batch in found.batches])
                except NexusError as error:
                    said.append(error.code)
        with suppress(NexusError):
            await client.list()
        with suppress(NexusError, TimeoutError):
            await env.restart_worker()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await env.settle()
    return said


@pytest.fixture(autouse=True)
def listening() -> Any:
    global _is_listening
    LOADED.clear()
    _unpickled.clear()
    _is_listening = True
    yield
    _is_listening = False


def test_the_canary_sings_when_it_is_loaded() -> None:
    pickle.loads(CANARIES["pickle"])
    pickle.loads(CANARIES["protocol 0"] + b"whatever follows")
    assert LOADED == ["loaded", "loaded"]
    assert len(_unpickled) >= 2


@pytest.mark.parametrize("encoding", ["msgpack", "cloudpickle", "pickle", "msgpack+zlib", "msgpack+aes-gcm"])
@pytest.mark.parametrize("canary", CANARIES)
async def test_no_payload_is_unpickled(encoding: str, canary: str, tmp_path: Path) -> None:
    path = tmp_path / "nexus.db"
    await write_everything(path, Planting(encoding, CANARIES[canary]))
    said = await read_everything(path)
    assert "NX503" in said, "the planted payloads were looked at, and refused"
    assert (LOADED, _unpickled) == ([], [])


def columns(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, row[1])
            for table in tables
            for row in connection.execute(f"PRAGMA table_info({table})")
            if row[2] in ("BLOB", "TEXT", "")
        ]


async def test_no_stored_field_is_unpickled(tmp_path: Path) -> None:
    """Each column of each table in turn, as far as the schema lets it be written."""
    original = tmp_path / "original.db"
    await write_everything(original, None)
    planted_in: list[str] = []
    for number, (table, column) in enumerate(columns(original)):
        path = tmp_path / f"{number}.db"
        path.write_bytes(original.read_bytes())
        with closing(sqlite3.connect(path)) as connection, connection:
            try:
                changed = connection.execute(f"UPDATE {table} SET {column} = ?", (CANARIES["pickle"],)).rowcount
            except sqlite3.IntegrityError:  # one row of a key can hold it
                key = f"(SELECT rowid FROM {table} LIMIT 1)"
                with suppress(sqlite3.OperationalError):
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = {key}", (CANARIES["pickle"],))
                changed = 1
        if changed:
            planted_in.append(f"{table}.{column}")
            try:
                await read_everything(path)
            except NexusError:
                pass
            except Exception as error:
                error.add_note(f"with a pickle in {table}.{column}")
                raise
    assert {"batches.data", "instances.record", "inbox.body", "tasks.body"} <= set(planted_in)
    assert (LOADED, _unpickled) == ([], [])


def test_an_app_has_the_codec_that_reads_no_pickles_unless_it_is_given_another() -> None:
    assert type(Nexus("memory://").codec) is MsgpackCodec
