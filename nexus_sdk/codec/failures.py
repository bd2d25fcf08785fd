"""Exceptions to data. The one rule: however odd the exception, there is a `Failure` that tells what is known of it.

An exception's own code (`__str__`, properties) is never trusted, and its class is never called again.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from nexus_sdk.core.failure import Failure, lineage_of
from nexus_sdk.core.payload import DETAILS, Codec, Payload
from nexus_sdk.errors import ApplicationError, NexusError, PayloadError, RemoteFailure, named_code

DEPTH_MAX = 20
"""Causes, contexts and groups are followed this far."""
GROUP_MAX = 100
"""Members of an exception group that are kept."""
TEXT_MAX = 8_000
"""Characters of a message and of a traceback that are kept: the head and the tail."""
_CUT_NOTE = "nexus: what caused this is left out: the chain of causes is too long or leads back to itself"


def failure_from(error: BaseException, codec: Codec, *, with_traceback: bool = True) -> Failure:
    """What is known of an exception, as data. Never raises.

    A `RemoteFailure` (`ActivityFailed`, …) and a `WorkflowFailed` have the failure they carry as their cause.
    Details that cannot be encoded become their `repr`, and a note says so.
    """
    return _Reader(codec, with_traceback).read(error, ())


class _Reader:
    """Reads one exception and what hangs on it."""

    def __init__(self, codec: Codec, with_traceback: bool) -> None:
        self.codec = codec.bound_to(DETAILS)
        self.with_traceback = with_traceback

    def read(self, error: BaseException, above: tuple[int, ...]) -> Failure:
        above = (*above, id(error))
        notes = [_text_of(note) for note in getattr(error, "__notes__", None) or ()]
        cause, is_cut = self.cause(error, above)
        if is_cut:
            notes.append(_CUT_NOTE)
        return Failure(
            type=error.type if isinstance(error, ApplicationError) else type(error).__name__,
            message=message_of(error),
            lineage=lineage_of(error),
            details=self.details(error, notes),
            cause=cause,
            group=self.group(error, above, notes),
            notes=tuple(notes),
            traceback=_traceback_of(error) if self.with_traceback else "",
            retryable=error.retryable if isinstance(error, ApplicationError) else True,
            code=named_code(error),
        )

    def cause(self, error: BaseException, above: tuple[int, ...]) -> tuple[Failure | None, bool]:
        carried = getattr(error, "failure", None) if isinstance(error, NexusError) else None
        if isinstance(carried, Failure):
            return carried, False
        cause = error.__cause__
        if cause is None and not error.__suppress_context__:
            cause = error.__context__
        if cause is None:
            return None, False
        if id(cause) in above or len(above) >= DEPTH_MAX:
            return None, True
        return self.read(cause, above), False

    def group(self, error: BaseException, above: tuple[int, ...], notes: list[str]) -> tuple[Failure, ...]:
        if not isinstance(error, BaseExceptionGroup):
            return ()
        members = [member for member in error.exceptions if id(member) not in above]
        kept = members[:GROUP_MAX] if len(above) < DEPTH_MAX else []
        if len(kept) < len(members):
            notes.append(f"nexus: {len(members) - len(kept)} members of this group are left out")
        return tuple(self.read(member, above) for member in kept)

    def details(self, error: BaseException, notes: list[str]) -> Payload | None:
        if isinstance(error, RemoteFailure):
            return error.failure.details
        if not isinstance(error, ApplicationError) or error.details is None:
            return None
        try:
            return self.codec.encode(error.details)
        except PayloadError as refused:
            notes.append(f"nexus: the details could not be encoded, this is their repr: {refused.message}")
            return self.codec.encode(_cut(_text_of(error.details, repr)))


def message_of(error: BaseException) -> str:
    """An exception's message, or what could be had of it."""
    if isinstance(error, RemoteFailure):
        return _cut(_text_of(error.args[0]))
    if isinstance(error, NexusError):
        return _cut(_text_of(f"{error.message}\n{error.hint}" if error.hint else error.message))
    return _cut(_text_of(error))


def _text_of(value: Any, to_text: Any = str) -> str:
    """The text of a value whose own code may fail; always encodable."""
    try:
        text = str(to_text(value))
    except Exception as failed:
        if not isinstance(value, BaseException):
            return f"<{type(value).__name__}, whose text raises {type(failed).__name__}>"
        try:
            text = f"<its __str__ raises {type(failed).__name__}; its arguments are {value.args!r}>"
        except Exception:  # the arguments' own code fails too: nothing more can be had
            text = f"<its __str__ raises {type(failed).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str) -> str:
    if len(text) <= TEXT_MAX:
        return text
    half = TEXT_MAX // 2 - 25
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


# --- tracebacks -------------------------------------------------------------------------------------------------------


def _traceback_of(error: BaseException) -> str:
    """The text of an exception's own traceback, without frames of this package."""
    try:
        summary = traceback.StackSummary.extract(_frames(error.__traceback__))
        lines = ["Traceback (most recent call last):\n", *summary.format()] if summary else []
        said = message_of(error)
        last = f"{type(error).__qualname__}: {said}" if said else type(error).__qualname__
        return _cut(_text_of("".join(lines) + last))
    except Exception as failed:  # a source file or a loader may fail in any way; the failure itself still counts
        return f"<the traceback cannot be read: {type(failed).__name__}>"


def _frames(tb: TracebackType | None) -> Iterator[tuple[Any, int]]:
    for frame, line in traceback.walk_tb(tb):
        name = frame.f_globals.get("__name__") or ""
        if name != "nexus_sdk" and not str(name).startswith("nexus_sdk."):
            yield frame, line
