"""What may not be awaited or yielded, told with file and line."""

from __future__ import annotations

import sysconfig
from types import FrameType
from typing import Any

from nexus_sdk.core.program import Program
from nexus_sdk.core.shown import shown
from nexus_sdk.errors import BlockingError, IllegalAwaitError, IllegalYieldError

_LIBRARIES = tuple({path for name in ("stdlib", "purelib", "platlib") if (path := sysconfig.get_path(name))})

_YIELDABLE = (
    "Yield an operation: charge(order), ctx.sleep(…), ctx.wait_for_event(…), ctx.gather(…), another workflow's call; "
    "await an async def helper."
)
_NO_LOOP = ("no running event loop", "no current event loop")


def refused_yield(instance: str, program: Program, what: Any) -> IllegalYieldError:
    """The error for a yield of something that is not an operation."""
    return IllegalYieldError(
        f"{instance}: {where(program)} yields {_name_of(what)}, which is not an operation.", hint=_YIELDABLE
    )


def refused_await(instance: str, program: Program, what: Any) -> IllegalAwaitError:
    """The error for an await of something foreign: a workflow has no event loop."""
    return IllegalAwaitError(
        f"{instance}: {where(program)} awaits {_name_of(what)}, which is not an operation.", hint=_advice(what)
    )


def turned_out_foreign(instance: str, error: BaseException) -> BlockingError | None:
    """The fault behind an exception that left the body, if it is one: ours, or that of a missing event loop."""
    if isinstance(error, BlockingError):
        return error
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_LOOP):
        place = raised_at(error) or "the workflow"
        return IllegalAwaitError(f"{instance}: {place} uses asyncio inside a workflow.", hint=_advice(None))
    return None


def raised_at(error: BaseException) -> str:
    """The innermost line of the user's own code that an exception passed, e.g. ``orders.py:31``; empty for none."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        if not _is_library(traceback.tb_frame):
            place = f"{_file(traceback.tb_frame)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def where(program: Program) -> str:
    """The innermost suspended line of the user's own code, e.g. ``orders.py:31``."""
    frames = list(program.frames())
    own = [frame for frame in frames if not _is_library(frame)] or frames[:1]  # the body itself may be installed
    return f"{_file(own[-1])}:{own[-1].f_lineno}" if own else "the workflow"


def _is_library(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_LIBRARIES) or frame.f_globals.get("__name__", "").startswith(
        "nexus_sdk."
    )


def _file(frame: FrameType) -> str:
    return frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]


def _name_of(what: Any) -> str:
    if what is None:
        return "nothing"
    kind, said = type(what).__name__, shown(what)
    return f"{kind} {said}" if isinstance(what, str | int | float) and not said.startswith("a ") else kind


def _advice(what: Any) -> str:
    return (
        "A workflow has no event loop: use ctx.sleep instead of asyncio.sleep, ctx.gather instead of asyncio.gather, "
        "and put network calls and other I/O into an activity."
    )
