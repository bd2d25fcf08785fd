"""Kinds of instances that cannot go on: how each becomes so, and what mends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgpack
from pydantic import BaseModel, field_validator

from nexus_sdk import Context, Workflow, activity, workflow
from nexus_sdk.codec import shapes
from nexus_sdk.codec.chain import CodecChain
from nexus_sdk.codec.encryption import Encryption
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.payload import Codec
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.store.port import Commit, Committed, StoredBatch

UNKNOWN = 99
"""An event that only a later version knows."""

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))


ARGUMENT = {"x": 7}


@activity
async def charge(x: int) -> int:
    return x


@activity
async def pack(x: Any) -> Any:
    return x


class Exchanged:
    """A codec whose keys change between two deployments."""

    def __init__(self, codec: Codec) -> None:
        self.now: Codec = codec

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


class Stored(MemoryStore):
    """A store that somebody has damaged, or that fails. Counts what it is asked for each instance."""

    def __init__(self) -> None:
        super().__init__()
        self.is_failing = False
        self.is_garbling = False
        self.bodies: dict[str, bytes] = {}
        self.commits: list[str] = []
        self.loads: list[str] = []

    async def load(self, instance_id: str, *args: Any, **named: Any) -> Any:
        self.loads.append(instance_id)
        return await super().load(instance_id, *args, **named)

    async def commit(self, commit: Commit, *, now_us: int) -> Committed:
        self.commits.append(commit.record.id)
        if self.is_failing and commit.record.id == "poison" and commit.settles and commit.record.status != "blocked":
            raise RuntimeError("the driver has a bug")
        return await super().commit(commit, now_us=now_us)

    async def send(self, messages: Any, **named: Any) -> None:
        if self.is_garbling:
            spoilt = {message.id: message.body for message in messages if message.instance_id == "poison"}
            self.bodies.update(spoilt)
            messages = [replace(one, body=b"\xc1") if one.id in spoilt else one for one in messages]
        await super().send(messages, **named)

    def item(self, instance_id: str) -> Any:
        return self._items[instance_id]

    def batches(self, instance_id: str) -> list[StoredBatch]:
        item = self.item(instance_id)
        batches: list[StoredBatch] = item.runs[item.record.run_id]
        return batches


@dataclass(frozen=True)
class Poison:
    """A kind of instance that cannot go on.

    Attributes:
        code: of the reason why it is blocked.
        says: something that the reason says.
        before: the code that it began under, and that it goes on under once it is mended.
        today: the code that runs when it becomes stuck.
        spoil: what happens to it in between, up to its first yield; then it is mended; then all is put back.
    """

    code: str
    says: str
    before: Workflow[Any, Any]
    today: tuple[Workflow[Any, Any], ...]
    spoil: Callable[[Stored, Exchanged], Iterator[None]] | None = None


POISONS: dict[str, Poison] = {}


def _order(*middle: str, name: str = "order", version: str = "1") -> Workflow[Any, Any]:
    """An order whose code, after the event, is as told."""

    @workflow(name=name, version=version)
    async def order(ctx: Context, number: Any = 7):
        yield charge(1)
        yield ctx.wait_for_event("go")
        for what in middle:
            if what == "foreign":
                await asyncio.sleep(1)
            elif what == "number":
                yield 42
            elif what == "forgets":
                pack(1)
                yield ctx.sleep(1)
            elif what == "twice":
                packing = pack(number)
                yield packing
                yield packing
            elif what == "spins":
                while True:
                    pass
            elif what == "swallows":
                for _ in range(2):
                    try:
                        while True:
                            pass
                    except BaseException:
                        continue
            elif what == "much":
                yield ctx.gather(*(pack(n) for n in range(300)))
        yield ctx.complete((yield pack(number)))

    return order


def _changed(first: bool) -> Workflow[Any, Any]:
    @workflow(name="order")
    async def order(ctx: Context, number: Any = 7):
        if first:
            yield pack(1)
        yield ctx.wait_for_event("go")
        yield ctx.complete(number)

    return order


class Fragile(BaseModel):
    """A type whose constructor has become strict."""

    x: int

    @field_validator("x")
    @classmethod
    def _refuse(cls, x: int) -> int:
        raise ValueError(f"{x} is no longer allowed")


class Exploding(BaseModel):
    """A type whose constructor has a bug."""

    x: int

    def model_post_init(self, _: Any) -> None:
        raise ZeroDivisionError("a bug of the type")


def _taking(kind: Any) -> Workflow[Any, Any]:
    @workflow(name="order")
    async def order(ctx: Context, number: kind):  # type: ignore[valid-type]
        yield charge(1)
        yield ctx.wait_for_event("go")
        yield ctx.complete((yield pack(number)))

    return order


# --- the code ---------------------------------------------------------------------------------------------------------

GOOD = _order()
NEWER = _order(version="2")
UNRELATED = _order(name="something else")

POISONS["its workflow is gone"] = Poison("NX210", "no worker serves", GOOD, (UNRELATED,))
POISONS["its version is gone"] = Poison("NX210", "version '1'", GOOD, (NEWER,))
POISONS["an operation was exchanged"] = Poison("NX201", "charge", GOOD, (_changed(True),))
POISONS["an operation was removed"] = Poison("NX201", "charge", GOOD, (_changed(False),))
POISONS["it awaits what is not ours"] = Poison("NX202", "poisons.py:", GOOD, (_order("foreign"),))
POISONS["it yields a number"] = Poison("NX203", "poisons.py:", GOOD, (_order("number"),))
POISONS["it forgets an activity"] = Poison("NX204", "poisons.py:", GOOD, (_order("forgets"),))
POISONS["it uses an activity twice"] = Poison("NX204", "poisons.py:", GOOD, (_order("twice"),))
POISONS["it spins"] = Poison("NX206", "without yielding", GOOD, (_order("spins"),))
POISONS["it spins and swallows"] = Poison("NX206", "without yielding", GOOD, (_order("swallows"),))
POISONS["its arguments are of another type"] = Poison("NX207", "number", GOOD, (_taking(UUID),))
POISONS["its arguments are refused"] = Poison("NX207", "no longer allowed", GOOD, (_taking(Fragile),))
POISONS["a constructor raises"] = Poison("NX207", "a bug of the type", GOOD, (_taking(Exploding),))


# --- what is stored ---------------------------------------------------------------------------------------------------


def spoiling(name: str, code: str, says: str, today: Workflow[Any, Any] = GOOD) -> Callable[[Any], Any]:
    def noted(spoil: Callable[[Stored, Exchanged], Iterator[None]]) -> Any:
        POISONS[name] = Poison(code, says, GOOD, (today,), spoil)
        return spoil

    return noted


@contextmanager
def _rewritten(store: Stored, number: int, change: Callable[[bytes], bytes]) -> Iterator[None]:
    batches = store.batches("poison")
    kept = batches[number]
    batches[number] = replace(kept, data=change(kept.data))
    yield
    batches[number] = kept


def _with_head(change: Callable[[list[Any]], None]) -> Callable[[bytes], bytes]:
    """Change the head of a batch: `[format, previous hash, header, events]`."""

    def changed(data: bytes) -> bytes:
        head, bodies = msgpack.unpackb(data)
        parts = msgpack.unpackb(head)
        change(parts)
        packed: bytes = msgpack.packb([msgpack.packb(parts), bodies])
        return packed

    return changed


@spoiling("a bit was flipped", "NX205", "bytes")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    with _rewritten(store, 1, lambda data: data[:40] + bytes([data[40] ^ 4]) + data[41:]):
        yield


@spoiling("a batch was cut short", "NX205", "bytes")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    with _rewritten(store, 1, lambda data: data[:-9]):
        yield


@spoiling("a batch is gone", "NX205", "batch")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    kept = store.batches("poison").pop(1)
    yield
    store.batches("poison").insert(1, kept)


@spoiling("batches were exchanged", "NX205", "batch")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    batches = store.batches("poison")
    batches[0], batches[1] = batches[1], batches[0]
    yield
    batches[0], batches[1] = batches[1], batches[0]


@spoiling("a batch is another's", "NX205", "batch")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    with _rewritten(store, 1, lambda _: store.batches("neighbour")[1].data):
        yield


@spoiling("the chain of hashes is broken", "NX205", "hash")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    with _rewritten(store, 1, _with_head(lambda parts: parts.__setitem__(1, bytes(32)))):
        yield


@spoiling("a newer version wrote it", "NX205", "format 99")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    with _rewritten(store, 1, _with_head(lambda parts: parts.__setitem__(0, 99))):
        yield


@spoiling("an event is not known", "NX205", "not known to this version")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    item, batch = store.item("poison"), store.batches("poison")[-1]
    head, bodies = msgpack.unpackb(batch.data)
    parts = msgpack.unpackb(head)
    parts[3].append([UNKNOWN, "1", ""])
    head = msgpack.packb(parts)
    store.batches("poison")[-1] = replace(batch, data=msgpack.packb([head, bodies]))
    item.record = replace(item.record, last_hash=sha256(parts[1] + head).digest())  # as the newer version has it
    yield
    shapes._EVENT_READERS[UNKNOWN] = lambda row, bodies: None
    try:
        yield
    finally:
        del shapes._EVENT_READERS[UNKNOWN]


@spoiling("a payload was altered", "NX205", "digest")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    def altered(data: bytes) -> bytes:
        head, bodies = msgpack.unpackb(data)
        packed: bytes = msgpack.packb([head, [b"\x08" if body is not None else None for body in bodies]])
        return packed

    with _rewritten(store, 2, altered):
        yield


@spoiling("a message cannot be read", "NX205", "message")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    store.is_garbling = True
    yield
    store.is_garbling = False
    inbox = store.item("poison").inbox
    inbox.update(
        {number: replace(found, body=store.bodies.get(found.id, found.body)) for number, found in inbox.items()}
    )


@spoiling("its key is missing", "NX504", "2025")
def _(_: Stored, codec: Exchanged) -> Iterator[None]:
    kept, codec.now = codec.now, CodecChain(Encryption({"2026": OTHER_KEY}))
    yield
    codec.now = kept


@spoiling("its key is another one", "NX505", "key")
def _(_: Stored, codec: Exchanged) -> Iterator[None]:
    kept, codec.now = codec.now, CodecChain(Encryption({"2025": OTHER_KEY}))
    yield
    codec.now = kept


@spoiling("its values were encrypted, and nothing can decrypt", "NX503", "encod")
def _(_: Stored, codec: Exchanged) -> Iterator[None]:
    kept, codec.now = codec.now, MsgpackCodec()
    yield
    codec.now = kept


@spoiling("a turn is larger than the store takes", "NX207", "NX502", _order("much"))
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    store.capabilities = replace(store.capabilities, commit_bytes_max=20_000)
    yield
    store.capabilities = MemoryStore.capabilities


@spoiling("the store fails for it alone", "NX207", "the driver has a bug")
def _(store: Stored, _: Exchanged) -> Iterator[None]:
    store.is_failing = True
    yield
    store.is_failing = False
