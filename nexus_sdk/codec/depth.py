"""How deep a value is nested. The one rule: whoever asks never recurses, whatever the bytes are.

Nearly every value has so few containers that counting bytes answers. The rest is passed over by msgpack without making
anything of it, or looked at level by level.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgpack

from nexus_sdk.codec.plainer import Fields, Refused
from nexus_sdk.codec.secret import Secret

DEPTH_MAX = 100
"""How deep values may be nested: lists, dicts, tuples, sets and objects alike."""

_CONTAINERS = frozenset({list, dict, tuple, set, frozenset, Fields, Secret})
_CONTAINER_BYTES = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""The bytes that begin an array or a map: no value has more levels than its bytes have of these."""
_ONE_LEVEL = b"\x91"
_LEVELS_MAX = 4_096


def refuse_depth() -> Refused:
    """What is raised for a value that is nested too deeply."""
    return Refused(f"the value is nested more than {DEPTH_MAX} levels deep")


def is_flat(data: bytes) -> bool:
    """Whether the bytes of a value prove by their number that it is not too deep."""
    return len(data) <= DEPTH_MAX or len(data) - len(data.translate(None, _CONTAINER_BYTES)) <= DEPTH_MAX


def check_bytes(data: bytes) -> bool:
    """Check bytes that have no containers within extensions. False if msgpack has no way to tell.

    Raises:
        Refused: they have more than `DEPTH_MAX` levels.
    """
    spare = _levels_of_msgpack() - DEPTH_MAX
    if spare <= 0:
        return False
    if not _passes(_ONE_LEVEL * spare + data):
        raise refuse_depth()
    return True


def check_value(value: Any) -> None:
    """Check a value, level by level.

    Raises:
        Refused: it has more than `DEPTH_MAX` levels.
    """
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(DEPTH_MAX):
        # Keys are left out: theirs are tuples and frozensets, whose levels are counted where they are nested.
        below = []
        for container in level:
            for item in _parts(container):
                if type(item) in _CONTAINERS:
                    below.append(item)
        if not below:
            return
        level = below
    raise refuse_depth()


def _parts(container: Any) -> Any:
    if isinstance(container, dict):
        return container.values()
    return (container.reveal(),) if type(container) is Secret else container


@lru_cache(maxsize=1)
def _levels_of_msgpack() -> int:
    """How many levels msgpack follows before it gives up; 0 where it recurses in Python instead."""
    low, high = 0, _LEVELS_MAX
    if _passes(_ONE_LEVEL * high + b"\xc0"):
        return 0
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if _passes(_ONE_LEVEL * middle + b"\xc0") else (low, middle)
    return low


def _passes(data: bytes) -> bool:
    unpacker = msgpack.Unpacker(max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        unpacker.skip()
    except (msgpack.exceptions.StackError, RecursionError):
        return False
    return True
