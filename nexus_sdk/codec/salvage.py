"""What can still be read of a batch that cannot be read as a whole: for who clears up behind it, never for a replay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgpack

from nexus_sdk.codec.shapes import Shape, read_events
from nexus_sdk.core.events import Event
from nexus_sdk.core.history import FORMAT, BatchHeader

_HEADER = Shape(BatchHeader, given={"format": FORMAT})


def salvaged_events(data: bytes, *, instance_id: str, run_id: str) -> Iterator[Event]:
    """The events of a batch of this run that can be read, each by itself. Nothing vouches for any of them.

    None where the bytes do not decode, are another run's, or have a form that this version does not know.
    """
    # Garbage fails in too many ways to list, here and below.
    with suppress(Exception):
        head, bodies = msgpack.unpackb(data, use_list=False)
        form, _, header, rows = msgpack.unpackb(head, use_list=False)
        said = _HEADER.read(header, bodies)
        if (form, said.instance_id, said.run_id) == (FORMAT, instance_id, run_id):
            for row in rows:
                with suppress(Exception):
                    yield from read_events((row,), bodies)
