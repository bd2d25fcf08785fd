"""Crashing everywhere: a workflow is run once for each store operation, and its worker dies there.

It dies after each one; and before each one that reports something, for then an activity may have run in vain.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nexus_sdk.codec.wire_json import event_to_json
from nexus_sdk.core import events as e
from nexus_sdk.engine.retrying import WORKER_LOST
from nexus_sdk.errors import BlockingError, CrashDifference, InvalidArgument, NothingIsDue, WorkflowEnded
from nexus_sdk.store.port import Store
from nexus_sdk.testing.faults import FaultAt, Faults, NoFault, Point, Strike, at_sub_step
from nexus_sdk.testing.laws import ids_of, runs_of

if TYPE_CHECKING:
    from nexus_sdk.testing.environment import WorkflowEnvironment
    from nexus_sdk.testing.handle import EnvironmentHandle

Script = Callable[["WorkflowEnvironment", "EnvironmentHandle[Any]"], Awaitable[None]]
"""What the outside world does after the start: sends events, asks, lets time pass."""

NewEnvironment = Callable[[Store, Faults], "WorkflowEnvironment"]

ID = "crash-everywhere"
"""The id of the instance, unless the test names one."""

REPORTS = frozenset({"commit", "send", "retry", "ack"})
"""The verbs that tell the store what an activity came to, and what a turn decided."""

_LEFT_OUT = frozenset({"event", "path", "site", "attempts", "failures", "options", "build", "next_run_id", "seed"})
_RUN_IDS = frozenset({"run_id", "previous_run_id"})
_ATTEMPTS = re.compile(r"\bfailed after (1 attempt|\d+ attempts)\b")


@dataclass(frozen=True, slots=True)
class Telling:
    """What came of a run: of each run of each instance, what happened to which operation. See `Telling.of`."""

    end: str
    histories: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def without(self, pattern: str) -> Telling:
        """The same, with three dots in place of whatever the regular expression matches."""
        histories = {id: [re.sub(pattern, "…", line) for line in lines] for id, lines in self.histories.items()}
        return Telling(re.sub(pattern, "…", self.end), histories)

    @classmethod
    async def of(cls, env: WorkflowEnvironment, end: str) -> Telling:
        """Everything that is in an environment's store."""
        histories: dict[str, Sequence[str]] = {}
        async for id in ids_of(env.app.store):
            _, runs = await runs_of(env.app.store, id)
            for number, run in enumerate(runs, start=1):
                name = id if len(runs) == 1 else f"{id}, run {number}"
                histories[name] = _in_order([event for _, event in run.events()])
        return cls(end, histories)


async def crash_everywhere(
    new_environment: NewEnvironment,
    workflow: Any,
    args: Sequence[Any],
    options: Mapping[str, Any],
    *,
    script: Script | None,
    ignoring: str,
    store: Store,
    new_store: Callable[[], Store] | None,
) -> int:
    """See `WorkflowEnvironment.crash_everywhere`.

    Args:
        new_environment: makes an environment for one run.
        workflow: what is run.
        args: its arguments.
        options: of the start.
        script: what the outside world does.
        ignoring: a regular expression: what may differ.
        store: the store whose kind the runs have.
        new_store: makes another kind.
    """

    async def run(faults: Faults) -> Telling:
        async with AsyncExitStack() as stack:
            fresh = await stack.enter_async_context(_fresh_store(store, new_store))
            env = await stack.enter_async_context(new_environment(fresh, faults))
            telling = await _play(env, workflow, args, {"id": ID, **options}, script)
            return telling.without(ignoring) if ignoring else telling

    counting = NoFault()
    try:
        undisturbed = await run(counting)
    except NothingIsDue as error:
        advice = "Play the outside world: crash_everywhere(…, script=an async function of (env, handle))."
        raise NothingIsDue(f"undisturbed, {error.message}", hint=advice) from error
    crashes = list(_crashes(counting.passed))
    for number, where in crashes:
        try:
            disturbed = await run(FaultAt(number, Strike.CRASH))
        except (NothingIsDue, BlockingError) as error:
            disturbed = Telling(f"{type(error).__name__}: {error.message}")
        except Exception as error:
            error.add_note(f"after {where}")
            raise
        if disturbed != undisturbed:
            raise _difference(undisturbed, disturbed, where, workflow)
    return len(crashes)


def _crashes(passed: Sequence[Point]) -> Iterator[tuple[int, str]]:
    """Where to crash: the number of the point, and what to call it."""
    total = sum(_begins(point) for point in passed)
    operation = 0
    for number, point in enumerate(passed, start=1):
        operation += _begins(point)
        if point.is_done or point.what in REPORTS:
            yield number, f"a crash {point} (store operation {operation} of {total})"


def _begins(point: Point) -> bool:
    return not point.is_done and ":" not in point.what  # sub-steps belong to the verb that they are made for


async def _play(
    env: WorkflowEnvironment, workflow: Any, args: Sequence[Any], options: Mapping[str, Any], script: Script | None
) -> Telling:
    handle = await env.start(workflow, *args, **options)
    if script is not None:
        await script(env, handle)
    with suppress(WorkflowEnded):
        await handle.result()
    await env.run_until_idle()
    end = (await env.history(handle))[-1]
    return await Telling.of(env, _line(end))


@asynccontextmanager
async def _fresh_store(like: Store, new_store: Callable[[], Store] | None) -> AsyncIterator[Store]:
    with TemporaryDirectory(prefix="nexus-", ignore_cleanup_errors=True) as folder:
        store = new_store() if new_store is not None else _like(like, Path(folder))
        try:
            yield store
        finally:
            await store.close()


def _like(store: Store, folder: Path) -> Store:
    from nexus_sdk.store.memory import MemoryStore
    from nexus_sdk.store.open import open_store
    from nexus_sdk.store.split import SplitMemoryStore
    from nexus_sdk.store.sqlite import SqliteStore

    match store:
        case MemoryStore():
            return MemoryStore()
        case SplitMemoryStore():
            return SplitMemoryStore(between=at_sub_step)
        case SqliteStore():
            return open_store(f"sqlite:///{folder / 'nexus.db'}?synchronous=normal")
        case _:
            raise InvalidArgument(
                f"crash_everywhere needs a fresh store for each run, and cannot make a {type(store).__name__}.",
                hint="Give it a function that makes one: new_store=…",
            )


# --- telling ----------------------------------------------------------------------------------------------------------


def _in_order(events: Sequence[e.Event]) -> list[str]:
    """What happened, sorted by operation: what happens at the same time has no order."""
    lines = []
    for number, event in enumerate(events):
        came = 0 if isinstance(event, e.EventReceived) else number  # several may send at the same time
        lines.append((_place(getattr(event, "path", "")), came, _line(event)))
    return [line for _, _, line in sorted(lines)]


def _place(path: str) -> tuple[int, list[tuple[int, str]]]:
    """Operations by their paths, numbers as numbers; what belongs to none of them first."""
    return (len(path) > 0, [(int(part), "") if part.isdigit() else (0, part) for part in path.split(".")])


def _line(event: e.Event) -> str:
    """An event in one line, without what a crash may change."""
    path = getattr(event, "path", "")
    return " ".join([type(event).__name__, *([path] if path else []), _details(event)]).rstrip()


def _details(event: e.Event) -> str:
    shown = {name: _kept(name, value) for name, value in event_to_json(event).items() if _is_kept(name, event)}
    shown = {name: value for name, value in shown.items() if value not in (None, [], {}, "")}
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in shown.items())


def _is_kept(name: str, event: e.Event) -> bool:
    is_moment = name.endswith("_us") or f"{name}_us" in {*getattr(event, "__dataclass_fields__", ())}
    return not is_moment and name not in _LEFT_OUT | _RUN_IDS


def _kept(name: str, value: Any) -> Any:
    """A field as it is compared: of failures what they are, not where and how often they were tried."""
    if name == "failure" and isinstance(value, dict):
        return ": ".join(filter(None, [value["type"], _ATTEMPTS.sub("failed", value["message"])]))
    if name == "parent" and isinstance(value, dict):
        return {part: item for part, item in value.items() if part not in _RUN_IDS}
    if name == "carried" and isinstance(value, list):
        return [{part: item for part, item in one.items() if part not in _RUN_IDS} for one in value]
    return value


# --- the difference ---------------------------------------------------------------------------------------------------


def _difference(undisturbed: Telling, disturbed: Telling, where: str, workflow: Any) -> CrashDifference:
    name = getattr(workflow, "name", None) or getattr(getattr(workflow, "workflow", None), "name", None) or workflow
    parts = [f"{where} changed what {name} comes to."]
    if undisturbed.end != disturbed.end:
        parts += ["the end:", f"- {undisturbed.end}", f"+ {disturbed.end}"]
    for id in sorted({*undisturbed.histories, *disturbed.histories} if disturbed.histories else ()):
        before, after = undisturbed.histories.get(id, ()), disturbed.histories.get(id, ())
        if before != after:
            lines = list(difflib.unified_diff(before, after, lineterm="", n=1))
            shown = (f"{line[0]} {line[1:]}" for line in lines[2:] if not line.startswith("@@"))
            parts += [f"the history of {id}:", *shown]
    text = "\n".join(parts)
    hint = "(-: undisturbed, +: after the crash.)"
    if WORKER_LOST in text:
        hint += (
            " WorkerLost: an activity was running when its worker died, and its Retry allows no further attempt. Where "
            "that is meant, catch ActivityFailed."
        )
    return CrashDifference(text, hint=hint)
