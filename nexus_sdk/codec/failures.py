"""Exceptions to data. The one rule: however odd the exception, there is a `Failure` that tells what is known of it.

An exception's own code (`__str__`, properties) is never trusted, and its class is never called again.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from nexus_sdk.codec.trimming import trimmed
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.payload import DETAILS, Codec, Payload
from nexus_sdk.errors import ApplicationError, NexusError, PayloadError, RemoteFailure, named_code

DEPTH_MAX = 20
"""Causes, contexts and groups are followed this far."""
GROUP_MAX = 100
"""Members of an exception group that are kept."""
FAILURES_MAX = 200
"""Exceptions that one failure holds: causes, and members of groups at all levels."""
NOTES_MAX = 100
"""Notes of an exception that are kept."""
NAME_MAX = 200
"""Characters of the name of a class."""
TEXT_MAX = 8_000
"""Characters of a message, a note and a traceback that are kept: the head and the tail."""
_CUT_NOTE = "nexus: what caused this is left out: the chain of causes is too long or leads back to itself"


def failure_from(error: BaseException, codec: Codec, *, with_traceback: bool = True) -> Failure:
    """What is known of an exception, as data. Never raises.

    A `RemoteFailure` (`ActivityFailed`, …) and a `WorkflowFailed` have the failure they carry as their cause.
    Details that cannot be encoded become their `repr`, and a note says so.
    """
    return trimmed(_Reader(codec, with_traceback).read(error, ()))


class _Reader:
    """Reads one exception and what hangs on it."""

    def __init__(self, codec: Codec, with_traceback: bool) -> None:
        self.codec = codec.bound_to(DETAILS)
        self.with_traceback = with_traceback
        self.left = FAILURES_MAX

    def read(self, error: BaseException, above: tuple[int, ...]) -> Failure:
        self.left -= 1
        try:
            return self.all_of(error, (*above, id(error)))
        except Exception as failed:  # a subclass of our own errors without what they have, for one
            name = _name(type(error))
            message = f"<it cannot be read: {type(failed).__name__}>"
            return Failure(type=name, message=message, lineage=_lineage(error), traceback=f"{name}: {message}")

    def all_of(self, error: BaseException, above: tuple[int, ...]) -> Failure:
        is_ours = _is(error, ApplicationError)
        notes = _notes(error)
        cause, is_cut = self.cause(error, above)
        if is_cut:
            notes.append(_CUT_NOTE)
        return Failure(
            type=_text_of(error.type) if is_ours and error.type else _name(type(error)),  # type: ignore[attr-defined]
            message=message_of(error),
            lineage=_lineage(error),
            details=self.details(error, notes),
            cause=cause,
            group=self.group(error, above, notes),
            notes=tuple(notes),
            traceback=_traceback_of(error) if self.with_traceback else "",
            retryable=bool(error.retryable) if is_ours else True,  # type: ignore[attr-defined]
            code=_text_of(named_code(error)) if _is(error, NexusError) else None,
        )

    def cause(self, error: BaseException, above: tuple[int, ...]) -> tuple[Failure | None, bool]:
        carried = getattr(error, "failure", None) if _is(error, NexusError) else None
        if isinstance(carried, Failure):
            return carried, False
        cause = _own(error, "__cause__")
        if cause is None and not _own(error, "__suppress_context__"):
            cause = _own(error, "__context__")
        if cause is None:
            return None, False
        if id(cause) in above or len(above) >= DEPTH_MAX or self.left <= 0:
            return None, True
        return self.read(cause, above), False

    def group(self, error: BaseException, above: tuple[int, ...], notes: list[str]) -> tuple[Failure, ...]:
        if not _is(error, BaseExceptionGroup):
            return ()
        every = BaseExceptionGroup.exceptions.__get__(error)
        members = [member for member in every if id(member) not in above]
        kept: list[Failure] = []
        for member in members[:GROUP_MAX] if len(above) < DEPTH_MAX else ():
            if self.left > 0:
                kept.append(self.read(member, above))
        if len(kept) < len(members):
            notes.append(f"nexus: {len(members) - len(kept)} members of this group are left out")
        return tuple(kept)

    def details(self, error: BaseException, notes: list[str]) -> Payload | None:
        if _is(error, RemoteFailure):
            return error.failure.details  # type: ignore[attr-defined, no-any-return]
        details = getattr(error, "details", None) if _is(error, ApplicationError) else None
        if details is None:
            return None
        try:
            return self.codec.encode(details)
        except PayloadError as refused:
            notes.append(f"nexus: the details could not be encoded, this is their repr: {refused.message}")
            return self.codec.encode(_cut(_text_of(details, repr)))


def message_of(error: BaseException) -> str:
    """An exception's message, or what could be had of it."""
    if _is(error, RemoteFailure):
        return _cut(_text_of(_own(error, "args")[0]))
    if isinstance(error, NexusError) and _is(error, NexusError):
        return _cut(_text_of(f"{error.message}\n{error.hint}" if error.hint else error.message))
    return _cut(_text_of(error, _without_input if _is_validation_error(error) else str))


def _is_validation_error(error: BaseException) -> bool:
    pydantic = sys.modules.get("pydantic_core")  # who has one has imported it
    return pydantic is not None and _is(error, pydantic.ValidationError)


def _without_input(error: Any) -> str:
    """What pydantic says, without the values that it was given: they may be secrets, and of any length."""
    complaints = error.errors(include_input=False, include_url=False, include_context=False)
    lines = [f"{'.'.join(map(str, complaint['loc'])) or '(all)'}: {complaint['msg']}" for complaint in complaints]
    return "\n".join([f"{error.error_count()} validation error(s) for {error.title}", *lines])


# --- what an exception's own code has no say in -----------------------------------------------------------------------


def _is(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an exception is of a class, whatever its `__class__` says."""
    return issubclass(type(error), kind)


def _own(error: BaseException, name: str) -> Any:
    """An attribute as Python itself keeps it, whatever properties the class puts before it."""
    return BaseException.__dict__[name].__get__(error)


def _notes(error: BaseException) -> list[str]:
    try:
        notes = getattr(error, "__notes__", None)
    except Exception as failed:
        return [f"nexus: its notes raise {type(failed).__name__}"]
    if notes is None:
        return []
    kept = list(notes[:NOTES_MAX]) if type(notes) in (list, tuple) else [notes]
    texts = [_cut(_text_of(note)) for note in kept]
    return (
        [*texts, f"nexus: {len(notes) - NOTES_MAX} notes are left out"]
        if len(kept) == NOTES_MAX < len(notes)
        else texts
    )


def _name(kind: type, attribute: str = "__name__") -> str:
    """The name of a class, whatever its metaclass says."""
    name = type.__dict__[attribute].__get__(kind)
    text = _text_of(name) if isinstance(name, str) else "?"
    return text if len(text) <= NAME_MAX else f"{text[: NAME_MAX - 1]}…"


def _lineage(error: BaseException) -> tuple[str, ...]:
    mro = type.__dict__["__mro__"].__get__(type(error))
    return tuple(f"{_name(kind, '__module__')}:{_name(kind, '__qualname__')}" for kind in mro if kind is not object)


def _text_of(value: Any, to_text: Any = str) -> str:
    """The text of a value whose own code may fail; always encodable."""
    try:
        text = str(to_text(value))
    except KeyboardInterrupt:
        raise
    except BaseException as failed:  # it may raise `SystemExit`, too
        text = _text_without(value, failed)
    return str.encode(text, "utf-8", "backslashreplace").decode()  # of `str` itself: a subclass has code of its own


def _text_without(value: Any, failed: BaseException) -> str:
    """What can be said of a value whose own text fails."""
    if not issubclass(type(value), BaseException):
        return f"<{_name(type(value))}, whose text raises {_name(type(failed))}>"
    try:
        return f"<its __str__ raises {_name(type(failed))}; its arguments are {_own(value, 'args')!r}>"
    except KeyboardInterrupt:
        raise
    except BaseException:  # the arguments' own code fails too: nothing more can be had
        return f"<its __str__ raises {_name(type(failed))}>"


def _cut(text: str) -> str:
    if len(text) <= TEXT_MAX:
        return text
    half = TEXT_MAX // 2 - 25
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


# --- tracebacks -------------------------------------------------------------------------------------------------------


def _traceback_of(error: BaseException) -> str:
    """The text of an exception's own traceback, without frames of this package."""
    try:
        summary = traceback.StackSummary.extract(_frames(_own(error, "__traceback__")))
        lines = ["Traceback (most recent call last):\n", *summary.format()] if summary else []
        said = message_of(error)
        name = _name(type(error), "__qualname__")
        last = f"{name}: {said}" if said else name
        return _cut(_text_of("".join(lines) + last))
    except Exception as failed:  # a source file or a loader may fail in any way; the failure itself still counts
        return f"<the traceback cannot be read: {type(failed).__name__}>"


def _frames(tb: TracebackType | None) -> Iterator[tuple[Any, int]]:
    for frame, line in traceback.walk_tb(tb):
        name = frame.f_globals.get("__name__") or ""
        if name != "nexus_sdk" and not str(name).startswith("nexus_sdk."):
            yield frame, line
