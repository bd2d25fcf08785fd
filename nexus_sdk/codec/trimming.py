"""Failures of a bounded size. The one rule: what is nearest to the failure itself is kept longest.

A failure is written to the history, to the instance's record, to its parent's inbox: wherever it goes, it fits. What
was attached to it (`details`) is a value like others and travels as one.
"""

from __future__ import annotations

from dataclasses import replace

from nexus_sdk.core.failure import Failure

FAILURE_BYTES_MAX = 32_000
"""What the texts of a failure take at most, with those of its causes and members."""
LEAST_BYTES = 400
"""Where less than this is left, no further cause is begun."""
CUT_NOTE = "nexus: causes or members are left out: the whole would take more than {:,} bytes"


def trimmed(failure: Failure, bytes_max: int = FAILURE_BYTES_MAX) -> Failure:
    """The failure, with its texts cut and its farthest causes left out until it takes no more than that."""
    return failure if size_of(failure) <= bytes_max else _trimmed(failure, bytes_max, bytes_max)


def size_of(failure: Failure) -> int:
    """What the texts of a failure take, encoded: about what is stored."""
    below = [*failure.group, failure.cause] if failure.cause is not None else failure.group
    return _own_size(failure) + sum(size_of(one) for one in below)


def _trimmed(failure: Failure, room: int, whole: int) -> Failure:
    below = len(failure.group) + (failure.cause is not None)
    own = _with_short_texts(failure, room // 2 if below else room)
    left = room - _own_size(own) - len(CUT_NOTE)
    # The cause says more than the members: it takes its half first.
    cause, left = _next(failure.cause, left // 2 if failure.group else left, left, whole)
    members: list[Failure] = []
    for number, member in enumerate(failure.group):
        kept, left = _next(member, max(left // (len(failure.group) - number), LEAST_BYTES), left, whole)
        if kept is not None:
            members.append(kept)
    if len(members) + (cause is not None) < below:
        own = replace(own, notes=(*own.notes, CUT_NOTE.format(whole)))
    return replace(own, cause=cause, group=tuple(members))


def _next(failure: Failure | None, share: int, left: int, whole: int) -> tuple[Failure | None, int]:
    """A cause or a member as far as its share goes, and what is left for others."""
    if failure is None or left < LEAST_BYTES:
        return None, left
    kept = failure if size_of(failure) <= share else _trimmed(failure, share, whole)
    return kept, left - size_of(kept)


def _with_short_texts(failure: Failure, room: int) -> Failure:
    """Its own texts: half for the traceback, a quarter for the notes; the message has what these leave."""
    if _own_size(failure) <= room:
        return failure
    room = max(room - _bytes(failure.type, *failure.lineage), 0)
    traceback = _cut(failure.traceback, room // 2)
    notes, left = list[str](), room // 4
    for note in failure.notes:
        if _bytes(note) > left < LEAST_BYTES:
            said = f"nexus: {len(failure.notes) - len(notes)} notes are left out"
            notes += [said] if room >= LEAST_BYTES // 2 else []
            break
        notes.append(_cut(note, left))
        left -= _bytes(notes[-1])
    message = _cut(failure.message, room - _bytes(traceback, *notes))
    return replace(failure, message=message, notes=tuple(notes), traceback=traceback)


def _own_size(failure: Failure) -> int:
    return _bytes(failure.type, failure.message, failure.traceback, *failure.notes, *failure.lineage)


def _bytes(*texts: str) -> int:
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


_CUT_BYTES = 60


def _cut(text: str, room: int) -> str:
    """The head and the tail of a text, within so many bytes."""
    if _bytes(text) <= room:
        return text
    if room < _CUT_BYTES:
        return ""
    data, half = text.encode(), max(room // 2 - 25, 0)
    said = f"\n… {len(data) - 2 * half:,} bytes left out …\n"
    return f"{data[:half].decode(errors='ignore')}{said}{data[len(data) - half :].decode(errors='ignore')}"
