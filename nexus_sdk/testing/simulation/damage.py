"""Damage: a byte of what is stored for some instance is changed, as disks, backups and careless hands do it.

Only where something vouches for the bytes: the hash chain for batches, their digests for payloads, wherever they lie.
What must come of it: whoever reads it is told, by an error with a code; the instance is blocked, and others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, cast

import msgpack

from nexus_sdk.codec import wire
from nexus_sdk.core.payload import Payload
from nexus_sdk.testing.simulation.stores import MemoryStores, SimulatedSplitStore
from nexus_sdk.testing.simulation.witness import Seen, Witness

Change = Callable[[], None]


def damage(witness: Witness, chance: Random) -> tuple[str, str] | None:
    """Change a byte of something of an instance that is still at work: what, and whose. None when there is nothing.

    Each is damaged once."""
    found = [
        (kind, seen, change)
        for seen in witness.instances
        if not seen.is_purged and not seen.item.record.status.is_finished
        for kind, change in (_changes(witness.store, seen, chance) if not seen.damaged else ())
    ]
    if not found:
        return None
    kind = chance.choice(sorted({kind for kind, _, _ in found}))
    kind, seen, change = chance.choice([one for one in found if one[0] == kind])
    run_id = seen.item.record.run_id
    before = list(seen.item.runs[run_id])
    change()
    if isinstance(witness.store, SimulatedSplitStore):
        witness.store.table.write_back(seen.item.record.id)
    if kind == "batch":
        seen.stored[run_id] = list(seen.item.runs[run_id])
    pairs = zip(before, seen.item.runs[run_id], strict=True)
    witness.note_damage(seen, kind, has_other_head=any(_head(a.data) != _head(b.data) for a, b in pairs if a is not b))
    return kind, seen.item.record.id


def _changes(store: MemoryStores, seen: Seen, chance: Random) -> list[tuple[str, Change]]:
    """What could be changed of this instance."""
    item, changes = seen.item, list[tuple[str, Change]]()
    batches = item.runs[item.record.run_id]
    index = chance.randrange(len(batches))

    def change_batch() -> None:
        batches[index] = replace(batches[index], data=_changed(batches[index].data, chance))

    changes.append(("batch", change_batch))
    blobs: dict[bytes, bytes] = cast("Any", store)._blobs.get(item.record.id, {})
    if blobs:
        digest = chance.choice(list(blobs))
        changes.append(("blob", lambda: blobs.__setitem__(digest, _changed(blobs[digest], chance))))
    for number, message in item.inbox.items():
        event = wire.decode_message(message.body, id="", accepted_at_us=0, number=0).event
        body = _with_payload_changed(message.body, getattr(event, "payload", None), chance)
        if body is not None:
            changed = replace(message, body=body)
            changes.append(("message", lambda number=number, changed=changed: item.inbox.__setitem__(number, changed)))  # type: ignore[misc]
    for state in item.tasks.values():
        body = _with_payload_changed(state.task.body, wire.decode_request(state.task.body).arguments, chance)
        if body is not None:
            task = replace(state.task, body=body)
            changes.append(("task", lambda state=state, task=task: setattr(state, "task", task)))  # type: ignore[misc]
    return changes


def _with_payload_changed(body: bytes, payload: Payload | None, chance: Random) -> bytes | None:
    """The bytes of a message with a byte of its payload changed; None when it has none, or that lies apart."""
    if payload is None or not payload.data or body.count(payload.data) != 1:
        return None
    return body.replace(payload.data, _changed(payload.data, chance))


def _head(data: bytes) -> object:
    """Of a batch, what the chain of hashes covers; None where nothing can be read. The rest is its payloads' bytes: a
    replay does not ask for those that it only compares by their digests."""
    try:
        return msgpack.unpackb(data)[0]
    except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException):
        return None


def _changed(data: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ chance.randrange(1, 256)]) + data[place + 1 :]
