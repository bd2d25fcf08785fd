"""Ways in which what is stored of an instance gets damaged: by disks, by backups, by careless hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from random import Random
from typing import Any

import msgpack

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.history import Batch
from nexus_sdk.core.status import Status
from nexus_sdk.store.port import InboxMessage, StoredBatch
from tests.replay.stored import Held

Way = Callable[[Held, Sequence[Held], Random], None]
"""Damages an instance, given all of the corpus; or leaves it as it is, where there is nothing of the kind."""


def _some_run(held: Held, chance: Random) -> list[StoredBatch]:
    return held.runs[chance.choice(list(held.runs))]


def _change(batches: list[StoredBatch], chance: Random, change: Callable[[bytes], bytes]) -> None:
    index = chance.randrange(len(batches))
    batches[index] = replace(batches[index], data=change(batches[index].data))


def _renumbered(batches: list[StoredBatch]) -> None:
    batches[:] = [replace(batch, number=number) for number, batch in enumerate(batches, start=1)]


def _flipped(data: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


# --- batches ----------------------------------------------------------------------------------------------------------


def flip_a_bit(held: Held, others: Sequence[Held], chance: Random) -> None:
    _change(_some_run(held, chance), chance, lambda data: _flipped(data, chance))


def overwrite_bytes(held: Held, others: Sequence[Held], chance: Random) -> None:
    def change(data: bytes) -> bytes:
        place, size = chance.randrange(len(data)), chance.randrange(1, 65)
        return data[:place] + chance.randbytes(len(data[place : place + size])) + data[place + size :]

    _change(_some_run(held, chance), chance, change)


def truncate_bytes(held: Held, others: Sequence[Held], chance: Random) -> None:
    _change(_some_run(held, chance), chance, lambda data: data[: chance.randrange(len(data))])


def insert_bytes(held: Held, others: Sequence[Held], chance: Random) -> None:
    def change(data: bytes) -> bytes:
        place = chance.randrange(len(data) + 1)
        return data[:place] + chance.randbytes(chance.randrange(1, 9)) + data[place:]

    _change(_some_run(held, chance), chance, change)


def drop_a_batch(held: Held, others: Sequence[Held], chance: Random) -> None:
    batches = _some_run(held, chance)
    del batches[chance.randrange(len(batches))]
    if chance.random() < 0.5:
        _renumbered(batches)


def truncate_the_list(held: Held, others: Sequence[Held], chance: Random) -> None:
    batches = _some_run(held, chance)
    del batches[chance.randrange(len(batches)) :]


def insert_a_copy(held: Held, others: Sequence[Held], chance: Random) -> None:
    batches = _some_run(held, chance)
    batches.insert(chance.randrange(len(batches) + 1), chance.choice(batches))
    if chance.random() < 0.5:
        _renumbered(batches)


def reorder(held: Held, others: Sequence[Held], chance: Random) -> None:
    batches = _some_run(held, chance)
    chance.shuffle(batches)
    if chance.random() < 0.5:
        _renumbered(batches)


def change_a_key(held: Held, others: Sequence[Held], chance: Random) -> None:
    batches = _some_run(held, chance)
    index = chance.randrange(len(batches))
    changes: list[dict[str, Any]] = [{"turn_id": "another"}, {"number": chance.randrange(9)}, {"run_id": "another"}]
    batches[index] = replace(batches[index], **chance.choice(changes))


def splice(held: Held, others: Sequence[Held], chance: Random) -> None:
    """A batch of another run, or of another instance, in the place of one, or between two."""
    batches = _some_run(held, chance)
    index = chance.randrange(len(batches))
    foreign = chance.choice(_some_run(chance.choice([held, *others]), chance))
    taken = replace(foreign, run_id=batches[index].run_id, number=batches[index].number)
    if chance.random() < 0.5:
        batches[index] = replace(taken, turn_id=batches[index].turn_id)
    else:
        batches.insert(index, taken)
        _renumbered(batches)


def forge(held: Held, others: Sequence[Held], chance: Random) -> None:
    """An event of another batch, and all hashes behind it made to fit."""
    run_id = chance.choice(list(held.runs))
    stored = held.runs[run_id]
    batches = [wire.decode_batch(one.data) for one in stored]
    index = chance.randrange(len(batches))
    event = chance.choice(chance.choice(batches).events or (e.WorkflowResumed(),))
    last_hash = batches[index].previous_hash
    for number in range(index, len(batches)):
        batch: Batch = batches[number]
        events = (*batch.events, event) if number == index else batch.events
        data, last_hash = wire.encode_batch(batch.header, events, last_hash)
        stored[number] = replace(stored[number], data=wire.set_apart(data, 150)[0])


# --- payloads ---------------------------------------------------------------------------------------------------------


def move_bodies(held: Held, others: Sequence[Held], chance: Random) -> None:
    """The bytes of the payloads of a batch change places, or there is one more or less."""

    def change(data: bytes) -> bytes:
        head, bodies = msgpack.unpackb(data)
        how = chance.randrange(4)
        if how == 0:
            chance.shuffle(bodies)
        elif how == 1 and bodies:
            del bodies[chance.randrange(len(bodies))]
        elif how == 2:
            bodies.insert(chance.randrange(len(bodies) + 1), chance.choice([b"", None, b"more"]))
        elif bodies:
            bodies[chance.randrange(len(bodies))] = chance.choice([[chance.randbytes(32)], "text", 7, b"other", [b""]])
        packed: bytes = msgpack.packb([head, bodies])
        return packed

    _change(_some_run(held, chance), chance, change)


def damage_a_large_payload(held: Held, others: Sequence[Held], chance: Random) -> None:
    digest = chance.choice(list(held.blobs))
    data = held.blobs[digest]
    changes: list[bytes | None] = [
        None,
        b"",
        _flipped(data, chance),
        data[:-1],
        chance.choice(list(held.blobs.values())),
    ]
    changed = chance.choice(changes)
    if changed is None:
        del held.blobs[digest]
    else:
        held.blobs[digest] = changed


# --- what is beside the histories -------------------------------------------------------------------------------------


TOLD_BY_HISTORIES = (
    *("run_id", "run", "workflow", "version", "created_us", "last_batch", "last_hash", "start_digest", "parent"),
    *("encoding", "status", "custom_status", "failure", "whole"),
)
"""The fields of a record that are compared with the histories."""


def change_the_record(held: Held, others: Sequence[Held], chance: Random) -> None:
    record, other = held.record, chance.choice(others).record
    name = chance.choice(TOLD_BY_HISTORIES)
    value: Any
    if name == "whole":
        held.record = replace(other, id=record.id)
        return
    if name in ("run", "created_us", "last_batch"):
        value = max(0, getattr(record, name) + chance.choice([-1, 1, 2, 1_000]))
    elif name == "status":
        value = chance.choice(list(Status))
    elif name == "last_hash":
        value = _flipped(record.last_hash, chance)
    elif (before := getattr(record, name)) and isinstance(before, bytes) and chance.random() < 0.7:
        value = chance.choice([_flipped(before, chance), before[: chance.randrange(len(before))]])
    else:
        value = getattr(other, name)
    held.record = replace(record, **{name: value})


def lose_the_alarm(held: Held, others: Sequence[Held], chance: Random) -> None:
    wake_at_us = held.record.wake_at_us
    if wake_at_us is not None:
        later_us = wake_at_us + chance.randrange(1, 10**12)
        held.record = replace(held.record, wake_at_us=chance.choice([None, later_us]))


def damage_the_inbox(held: Held, others: Sequence[Held], chance: Random) -> None:
    messages = held.messages
    index = chance.randrange(len(messages))
    message = messages[index]
    how = chance.randrange(7)
    if how == 0:
        messages.reverse()
    elif how == 1:
        messages.insert(index, message)
    elif how == 2:
        messages[index] = replace(message, number=messages[0].number if index else messages[-1].number)
    elif how == 3:
        messages[index] = replace(message, instance_id=chance.choice(others).record.id)
    elif how == 4:
        messages[index] = replace(message, accepted_at_us=messages[-1].accepted_at_us + 1 - 2 * 10**6 * (index == 2))
    elif how == 5:
        messages[index] = replace(message, body=message.body[: chance.randrange(len(message.body))])
    else:
        messages[index] = _with_body_flipped(message, chance)


def _with_body_flipped(message: InboxMessage, chance: Random) -> InboxMessage:
    """Its payload's bytes, or the digest of one that lies apart, with another bit."""
    form, row, (body,) = msgpack.unpackb(message.body)
    changed = [_flipped(body[0], chance)] if isinstance(body, list) else _flipped(body, chance)
    return replace(message, body=msgpack.packb([form, row, [changed]]))


def take_the_runs_of_another(held: Held, others: Sequence[Held], chance: Random) -> None:
    """A run is gone, or stands in the place of another, or another instance's does."""
    run_ids = list(held.runs)
    run_id, other = chance.choice(run_ids), chance.choice([held, *others])
    if chance.random() < 0.5:
        del held.runs[run_id]
    else:
        held.runs[run_id] = list(other.runs[chance.choice(list(other.runs))])


WAYS: tuple[Way, ...] = (
    flip_a_bit,
    flip_a_bit,
    flip_a_bit,
    overwrite_bytes,
    truncate_bytes,
    insert_bytes,
    drop_a_batch,
    truncate_the_list,
    insert_a_copy,
    reorder,
    change_a_key,
    splice,
    splice,
    forge,
    move_bodies,
    move_bodies,
    damage_a_large_payload,
    change_the_record,
    change_the_record,
    lose_the_alarm,
    damage_the_inbox,
    take_the_runs_of_another,
)
"""All of them; those that have many forms more often."""


def is_same(one: Held, other: Held) -> bool:
    """Whether nothing was changed: the same bytes in the same places."""
    return all(getattr(one, field.name) == getattr(other, field.name) for field in fields(Held))
