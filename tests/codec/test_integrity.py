"""What the chain of hashes does not cover is looked at by itself: how bytes are put together, and every payload."""

from __future__ import annotations

from hashlib import sha256

import msgpack
import pytest

from nexus_sdk.codec import wire
from nexus_sdk.codec.integrity import Bodies, check_batch, check_encoded
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import BatchHeader, Message
from nexus_sdk.errors import HistoryCorruptedError

VALUES = [MsgpackCodec().encode(value) for value in ("one", "two", None, "x" * 100)]
HEADER = BatchHeader("it", "run", 1, "turn", (), 0)
EVENTS = [e.EventReceived("it", value, str(number)) for number, value in enumerate(VALUES)]
DATA, _ = wire.encode_batch(HEADER, EVENTS, wire.first_hash("it", "run"))
HEAD, BODIES = msgpack.unpackb(DATA)


def refused(data: bytes) -> str:
    with pytest.raises(HistoryCorruptedError) as error:
        check_batch(data)
    assert "Restore" in error.value.hint
    return error.value.message


def test_what_was_written_holds_together() -> None:
    assert check_batch(DATA) == Bodies((), 0)
    apart, blobs = wire.set_apart(DATA, 50)
    assert check_batch(apart) == Bodies(tuple(blobs), 0)
    carried = e.WorkflowCreated("w", "1", VALUES[0], carried=tuple(EVENTS))
    assert check_batch(wire.encode_batch(HEADER, [carried], b"\0" * 32)[0]) == Bodies((), 0)
    assert check_encoded(wire.encode_message(Message("id", EVENTS[0], 0))) == Bodies((), 0)
    assert check_encoded(wire.encode_payload(VALUES[3])) == Bodies((), 0)
    cause = Failure("ValueError", "no", details=VALUES[0])
    assert check_encoded(wire.encode_failure(Failure("TypeError", "", details=VALUES[1], cause=cause))) == Bodies((), 0)


def test_erased_payloads_are_counted() -> None:
    assert check_batch(msgpack.packb([HEAD, [BODIES[0], None, None]])) == Bodies((), 2)


@pytest.mark.parametrize(
    "bodies",
    [
        BODIES[:-1],
        [*BODIES, b"more"],
        [*BODIES, None],
        [BODIES[1], BODIES[0], BODIES[2]],
        [BODIES[0], [sha256(b"another").digest()], BODIES[2]],
        [BODIES[0], [sha256(BODIES[1]).digest(), b""], BODIES[2]],
        [BODIES[0], BODIES[1].decode("latin-1"), BODIES[2]],
    ],
)
def test_payloads_that_are_not_in_their_places_are_found(bodies: list[object]) -> None:
    assert "payload" in refused(msgpack.packb([HEAD, bodies]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        DATA[:-1],
        DATA + b"\0",
        msgpack.packb([HEAD]),
        msgpack.packb([HEAD, BODIES, None]),
        msgpack.packb([HEAD, dict(enumerate(BODIES))]),
        msgpack.packb([b"\xc1", BODIES]),
        b"\xdc\x00\x02" + DATA[1:],  # the same array with a longer header
    ],
)
def test_bytes_that_we_do_not_write_are_refused(data: bytes) -> None:
    assert refused(data)
