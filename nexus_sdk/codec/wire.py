"""The stable form of what is stored. The one rule: what any released version wrote, every later version reads.

A batch is msgpack ``[head, bodies]``. The head is msgpack ``[format, previous hash, header, events]``; the bodies are
the payloads' bytes, nil where they were erased, ``[digest]`` where they lie apart. The batch's hash is
``sha256(previous hash + head)``: it covers the payloads' digests and not their bytes, so payloads can be erased, and
moved, without breaking the chain. Messages, requests, payloads and failures outside a history are
``[format, array, bodies]``. How things are arrays: see `shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NoReturn, TypeVar

import msgpack

from nexus_sdk.codec.shapes import (
    UPGRADE,
    Bodies,
    Row,
    Shape,
    find_payloads,
    read_events,
    read_payload,
    shape_of,
    write_body,
    write_event,
    write_payload,
)
from nexus_sdk.core.events import NOT_LOOKED_AT, Event
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.frozen import blank_of, changed
from nexus_sdk.core.history import FORMAT, Batch, BatchHeader, Message
from nexus_sdk.core.payload import Payload
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.errors import HistoryCorruptedError

_HEADER = Shape(BatchHeader, given={"format": FORMAT})
_BlankBatch: Any = blank_of(Batch)
_MESSAGE = Shape(Message, given={"id": "", "accepted_at_us": 0, "number": 0})
_CHANGED = "The stored bytes were changed or lost after they were written. Restore them from a backup."

T = TypeVar("T")


def first_hash(instance_id: str, run_id: str) -> bytes:
    """What the first batch of a run is chained to: binds the history to its instance and run."""
    return sha256(_pack(["nexus", instance_id, run_id])).digest()


def encode_batch(header: BatchHeader, events: Iterable[Event], previous_hash: bytes) -> tuple[bytes, bytes]:
    """The bytes of a batch, and its hash. The same batch gives the same bytes."""
    payloads: list[Payload] = []
    rows = [write_event(event, payloads) for event in events]
    head = _pack([header.format, previous_hash, _HEADER.write(header, payloads), rows])
    return _pack([head, [write_body(payload) for payload in payloads]]), sha256(previous_hash + head).digest()


def decode_batch(data: bytes) -> Batch:
    """The batch of these bytes. Payload bytes are only sliced; events that may be ignored and are unknown are left out.

    Raises:
        HistoryCorruptedError: these are not the bytes of a batch, or a newer version wrote what may not be ignored.
    """
    try:
        outer = msgpack.unpackb(data, use_list=False)
        head, bodies = outer[0], outer[1]
        parts = msgpack.unpackb(head, use_list=False)
        if parts[0] != FORMAT:
            _refuse_format(parts[0])
        made = _BlankBatch()
        made.previous_hash = previous_hash = parts[1]
        made.header = header = _HEADER.read(parts[2], bodies)
        made.events = events = read_events(parts[3], bodies)
        made.value_bytes = _size_of(bodies, events)
        made.hash = sha256(previous_hash + head).digest()
        if (
            type(header.instance_id) is not str
            or type(header.number) is not int
            or type(header.stamped_at_us) is not int
            or len(previous_hash) != 32
        ):
            raise TypeError("the header's fields have other types")
        made.__class__ = Batch
        batch: Batch = made
        return batch
    except HistoryCorruptedError:
        raise
    except Exception as error:  # garbage fails in too many ways to list
        _fail("batch", data, error)


def value_bytes_of(events: Iterable[Event]) -> int:
    """What the values in these events take, encoded: the same as in `core.history`, in a tenth of the time."""
    payloads: list[Payload] = []
    for event in events:
        find_payloads(event, payloads)
    size = 0
    for payload in payloads:
        size += payload.size
    return size


def _size_of(bodies: Bodies, events: Iterable[Event]) -> int:
    size = 0
    for body in bodies:
        if type(body) is not bytes:  # erased, or apart: only what refers to it knows
            return value_bytes_of(events)
        size += len(body)
    return size


def verify(batches: Sequence[Batch], *, after: Batch | None = None, last_hash: bytes | None = None) -> None:
    """Check that batches are one run's history: numbers, times, the chain of hashes, and each payload's digest.

    Args:
        after: the batch before the first one; by default the history is checked from its beginning.
        last_hash: the hash of the last batch as the instance's record knows it: without it the last batch's own
            content is not proven.

    Raises:
        HistoryCorruptedError: something does not fit; the message names the batch.
    """
    for batch in batches:
        _verify_link(batch, after)
        _verify_payloads(batch)
        after = batch
    if last_hash is not None and after is not None and after.hash != last_hash:
        _reject(after, "the hash is not the one that the instance's record has")


READ_AHEAD = 32
"""So many batches are decoded together. To decode one, run its code, decode the next one takes half as long again:
neither stays in the processor's caches."""


class StoredHistory:
    """A run's history as it is stored: decoded and checked while it is iterated over, each time anew.

    So a long history takes the room of its bytes, and none is decoded twice to be replayed once. A batch is given out
    when the one behind it, or the instance's record, has vouched for it. The values of events that a replay only
    compares are not checked: nobody looks at them (`events.NOT_LOOKED_AT`).

    Args:
        batches: as they are stored, all of the run.
        last_number, last_hash: of the last batch, as the instance's record knows them.
    """

    def __init__(self, instance_id: str, batches: Sequence[bytes], *, last_number: int, last_hash: bytes) -> None:
        self._instance_id = instance_id
        self._batches = batches
        self._last_number = last_number
        self._last_hash = last_hash

    def __iter__(self) -> Iterator[Batch]:
        """The batches, in order.

        Raises:
            HistoryCorruptedError: one does not decode, or does not fit the others or the record.
        """
        last: Batch | None = None
        for start in range(0, len(self._batches), READ_AHEAD):
            try:
                read = [decode_batch(data) for data in self._batches[start : start + READ_AHEAD]]
            except HistoryCorruptedError as error:
                self._name(start, error)
            for before, batch in zip([last, *read], read, strict=False):
                _verify_link(batch, before)
            for batch in read:
                _verify_payloads(batch, without=NOT_LOOKED_AT)
            if last is not None:
                yield last
            last = read.pop()
            yield from read
        if last is None or last.hash != self._last_hash or last.header.number != self._last_number:
            raise HistoryCorruptedError(
                f"{self._instance_id}: its record says that {self._last_number} batches were written; the history has "
                f"{last.header.number if last else 0}, or another one.",
                hint="Restore the store from a backup; nothing was changed.",
            )
        yield last

    def _name(self, start: int, error: HistoryCorruptedError) -> NoReturn:
        """Raise the error again, with the batch that it is about."""
        for number, data in enumerate(self._batches[start : start + READ_AHEAD], start + 1):
            try:
                decode_batch(data)
            except HistoryCorruptedError as found:
                raise HistoryCorruptedError(
                    f"{self._instance_id}, batch {number}: {found.message}", hint=found.hint
                ) from found.__cause__
        raise error


def misfit_of(batch: Batch, before: Batch | None) -> str:
    """Why a batch cannot stand behind another one (None: at the beginning of its run); empty when it can."""
    header = batch.header
    if before is None:
        if header.number != 1:
            return "the batch before it has number 0"
        if batch.previous_hash != first_hash(header.instance_id, header.run_id):
            return "it was written for another run"
        return ""
    last = before.header
    if header.run_id != last.run_id or header.instance_id != last.instance_id:
        return f"the batch before it belongs to {last.instance_id!r}, run {last.run_id!r}"
    if header.number != last.number + 1:
        return f"the batch before it has number {last.number}"
    if batch.previous_hash != before.hash:
        return "the hash does not fit the batch before it"
    if header.stamped_at_us < last.stamped_at_us:
        return "its time is before the time of the batch before it"
    return ""


def _verify_link(batch: Batch, before: Batch | None) -> None:
    reason = misfit_of(batch, before)
    if reason:
        _reject(batch, reason)


def _verify_payloads(batch: Batch, *, without: Collection[type[Event]] = ()) -> None:
    payloads: list[Payload] = []
    for event in batch.events:
        if type(event) not in without:
            find_payloads(event, payloads)
    for payload in payloads:
        data: Any = payload.data  # the bodies are not covered by the hash: they may be anything
        if data is not None and (type(data) is not bytes or sha256(data).digest() != payload.digest):
            _reject(batch, f"the {payload.size} bytes of a payload do not fit their digest")


def _reject(batch: Batch, reason: str) -> NoReturn:
    header = batch.header
    raise HistoryCorruptedError(
        f"{header.instance_id}, run {header.run_id}, batch {header.number}: {reason}.", hint=_CHANGED
    )


# --- what travels outside a history -----------------------------------------------------------------------------------


def encode_message(message: Message) -> bytes:
    """The body of a message: everything but its id, and the time and number that the store gives it."""
    return _encode(_MESSAGE.write, message)


def decode_message(data: bytes, *, id: str, accepted_at_us: int, number: int) -> Message:
    """The message of a body, with what the store knows of it.

    Raises:
        HistoryCorruptedError: these are not the bytes of a message, or a newer version wrote it, or a payload's bytes
            do not fit their digest.
    """
    message = _decode(_MESSAGE.read, "message", data)
    _check_digests("message", _MESSAGE, message)
    return changed(message, id=id, accepted_at_us=accepted_at_us, number=number)


def encode_request(request: ActivityRequest) -> bytes:
    """The body of a task."""
    return _encode(shape_of(ActivityRequest).write, request)


def decode_request(data: bytes) -> ActivityRequest:
    """The request of a task's body. Raises `HistoryCorruptedError`."""
    shape = shape_of(ActivityRequest)
    request = _decode(shape.read, "request", data)
    _check_digests("request", shape, request)
    return request


def encode_failure(failure: Failure) -> bytes:
    """A failure as a field of a record."""
    return _encode(shape_of(Failure).write, failure)


def decode_failure(data: bytes) -> Failure:
    """The failure of a record's field. Raises `HistoryCorruptedError`."""
    return _decode(shape_of(Failure).read, "failure", data)


def encode_payload(payload: Payload) -> bytes:
    """A payload as a field of a record."""
    return _encode(write_payload, payload)


def decode_payload(data: bytes) -> Payload:
    """The payload of a record's field. Raises `HistoryCorruptedError`."""
    return _decode(read_payload, "payload", data)


def is_same_value(one: bytes | None, other: bytes | None) -> bool:
    """Whether two fields of a record hold the same failure or payload, wherever the bytes of its values lie."""
    if one == other or one is None or other is None:
        return one == other
    try:
        return _parts(one)[0] == _parts(other)[0]
    except HistoryCorruptedError:
        return False


# --- bytes that lie apart ---------------------------------------------------------------------------------------------


def set_apart(data: bytes, bytes_max: int) -> tuple[bytes, dict[bytes, bytes]]:
    """Encoded things without the payloads that have more than `bytes_max` bytes, and these by their digests."""
    front, bodies = _parts(data)
    blobs: dict[bytes, bytes] = {}
    kept: list[Any] = []
    for body in bodies:
        if type(body) is bytes and len(body) > bytes_max:
            digest = sha256(body).digest()
            blobs[digest] = body
            kept.append([digest])
        else:
            kept.append(body)
    return (_pack([*front, kept]), blobs) if blobs else (data, blobs)


def set_in(data: bytes, blobs: Mapping[bytes, bytes]) -> bytes:
    """The reverse of `set_apart`, for the blobs that are given. Raises `HistoryCorruptedError`."""
    front, bodies = _parts(data)
    return _pack([*front, [blobs.get(body[0], body) if type(body) is tuple else body for body in bodies]])


_MARK = b"\x91\xc4\x20"
"""How ``[digest]`` begins: where this does not occur, nothing lies apart."""


def apart_in(data: bytes) -> list[bytes]:
    """The digests of the payloads of encoded things that lie apart. Cheap where nothing does.

    Raises:
        HistoryCorruptedError: these are no encoded things.
    """
    if _MARK not in data:
        return []
    return [body[0] for body in _parts(data)[1] if type(body) is tuple]


def _parts(data: bytes) -> tuple[Sequence[Any], Bodies]:
    """What stands before the bodies of encoded things, and the bodies."""
    try:
        *front, bodies = msgpack.unpackb(data, use_list=False)
        for body in bodies:
            if type(body) is tuple and (len(body) != 1 or type(body[0]) is not bytes):
                raise TypeError("what stands for a payload's bytes is no digest")
        return front, bodies
    except Exception as error:  # garbage fails in too many ways to list
        _fail("record", data, error)


def apart_in_events(events: Iterable[Event]) -> list[bytes]:
    """The digests of the payloads of events that lie apart."""
    payloads: list[Payload] = []
    for event in events:
        find_payloads(event, payloads)
    return [payload.digest for payload in payloads if payload.reference is not None]


def _encode(write: Callable[[T, list[Payload]], list[Any]], value: T) -> bytes:
    payloads: list[Payload] = []
    row = write(value, payloads)
    return _pack([FORMAT, row, [write_body(payload) for payload in payloads]])


def _decode(read: Callable[[Row, Bodies], T], what: str, data: bytes) -> T:
    try:
        parts = msgpack.unpackb(data, use_list=False)
        if parts[0] != FORMAT:
            _refuse_format(parts[0])
        return read(parts[1], parts[2])
    except HistoryCorruptedError:
        raise
    except Exception as error:  # garbage fails in too many ways to list
        _fail(what, data, error)


def _check_digests(what: str, shape: Shape[Any], value: Any) -> None:
    """What enters a history vouches for its payloads ever after: they are looked at before."""
    payloads: list[Payload] = []
    shape.find(value, payloads)
    for payload in payloads:
        if payload.data is not None and sha256(payload.data).digest() != payload.digest:
            raise HistoryCorruptedError(
                f"a {what}: the {payload.size} bytes of a payload do not fit their digest.", hint=_CHANGED
            )


def _pack(value: Any) -> bytes:
    # Nearly everything is small; by default each call has the system map, and take back, a quarter of a megabyte.
    packed: bytes = msgpack.Packer(buf_size=1_024).pack(value)
    return packed


def _refuse_format(format_: Any) -> NoReturn:
    raise HistoryCorruptedError(f"format {format_!r} is not known to this version (it knows {FORMAT}).", hint=UPGRADE)


def _fail(what: str, data: bytes, error: Exception) -> NoReturn:
    raise HistoryCorruptedError(
        f"these {len(data):,} bytes are not a {what} ({type(error).__name__}: {error}).", hint=_CHANGED
    ) from error
