"""The workflows and activities of a simulated world: they carry out programs, each build of the code in its own way.

Activities tell an independent ledger each time that they take effect. What stage they are on, they learn from a
context variable, so that one set of definitions serves all runs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from nexus_sdk.authoring.activity import Activity, activity
from nexus_sdk.authoring.context import Context
from nexus_sdk.authoring.info import heartbeat
from nexus_sdk.authoring.registry import Registry
from nexus_sdk.authoring.retry import Retry
from nexus_sdk.authoring.workflow import Workflow, workflow
from nexus_sdk.errors import (
    ActivityFailed,
    ApplicationError,
    ChildWorkflowFailed,
    InstanceFinished,
    InstanceNotFound,
    WaitTimedOut,
)
from nexus_sdk.testing.simulation.programs import Node

FAST = "0.2s"
PERSISTENT = Retry(max_attempts=10_000, initial=FAST, max_interval="2s")
"""However many workers die of it, it is tried again."""

ONCE = Retry(max_attempts=1)


class Stage(Protocol):
    """What an activity is given by the world it runs in."""

    def begin(self, what: str, number: int) -> int:
        """Note an effect of the running attempt; how many there were of this activity, this one included."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass on the clock of the worker."""


stage: ContextVar[Stage] = ContextVar("nexus_simulated_stage")


class OutOfStock(Exception):
    """What makes a saga undo what it did."""


# --- activities -------------------------------------------------------------------------------------------------------


async def _labour(what: str, node: Node) -> int:
    count = stage.get().begin(what, node["n"])
    if node.get("beats"):
        heartbeat(count)
    if node["takes"]:
        await stage.get().sleep(node["takes"])
    if count <= node.get("fails", 0):
        raise ConnectionError("try again")
    return int(node["n"])


@activity(retry=PERSISTENT)
async def work(node: Node) -> int:
    """Take some time, fail some times, then return the node's number."""
    return await _labour("work", node)


@activity(retry=PERSISTENT, task_queue="other")
async def work_elsewhere(node: Node) -> int:
    """The same on another queue."""
    return await _labour("work_elsewhere", node)


@activity(retry=PERSISTENT)
def toil(node: Node) -> int:
    """The same in a thread, taking no time."""
    if stage.get().begin("toil", node["n"]) <= node["fails"]:
        raise ConnectionError("try again")
    return int(node["n"])


@activity(retry=PERSISTENT, local=True)
async def near(node: Node) -> int:
    """The same, local."""
    return await _labour("near", node)


@activity(retry=PERSISTENT)
async def bulk(node: Node) -> bytes:
    """Return much, after having beaten and failed with as much."""
    count = stage.get().begin("bulk", node["n"])
    heartbeat(bytes(node["size"]))
    if count <= node["fails"]:
        raise ApplicationError("try again", details=bytes(node["size"]))
    return bytes(node["size"])


@activity(retry=Retry(max_attempts=2, initial=FAST, jitter="none"))
async def fall(number: int) -> None:
    """Fail for good."""
    stage.get().begin("fall", number)
    raise ApplicationError("never", retryable=number % 2 == 0)


@activity(retry=ONCE)
async def once(node: Node) -> int:
    """At most once."""
    return await _labour("once", node)


@activity(retry=Retry(max_attempts=2, initial=FAST))
async def hang(number: int) -> None:
    """Never return."""
    stage.get().begin("hang", number)
    await stage.get().sleep(1e9)


@activity(retry=PERSISTENT)
async def mop(node: Node) -> int:
    """What is left to be done, however it went before."""
    return await _labour("mop", node)


@activity(retry=PERSISTENT)
async def undo(booking: list[int]) -> None:
    """The compensation of `book`. Every so many bookings cannot be undone."""
    stage.get().begin("undo", booking[1])
    if booking[1] % 13 == 0:
        raise ApplicationError("not refundable", retryable=False)


@activity(retry=PERSISTENT, compensate=undo)
async def book(node: Node) -> list[int]:
    """What a saga undoes: the saga, and the number."""
    return [node["saga"], await _labour("book", node)]


ACTIVITIES: list[Activity[Any, Any]] = [work, work_elsewhere, toil, near, bulk, fall, once, hang, mop, undo, book]

LIMITS = {"timeout": {"timeout": "5s"}, "heartbeat": {"heartbeat_timeout": "5s"}, "close": {"schedule_to_close": "8s"}}


# --- workflows --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Build:
    """A version of the code.

    Attributes:
        has_patch: the nodes `patch` were changed, and the change is guarded.
        is_broken: the nodes `fragile` were changed, and the change is not guarded.
        lacks: the workflow that it does not serve (yet).
    """

    name: str
    has_patch: bool = False
    is_broken: bool = False
    lacks: str = ""


BUILDS = {
    "old": Build("old"),
    "partial": Build("partial", lacks="yielded"),
    "broken": Build("broken", is_broken=True),
    "new": Build("new", has_patch=True),
}
"""All the code that was ever deployed. The newest can go on with what any other did, the broken one excepted."""

FINAL = "new"


class BuiltRegistry(Registry):
    """A registry whose build is given: its code is the same text as that of the others."""

    def __init__(self, build: str, workflows: list[Workflow[Any, Any]]) -> None:
        super().__init__(workflows, ACTIVITIES)
        self.__dict__["build"] = build


@lru_cache
def registry_of(build: str) -> Registry:
    """What a worker of this build serves."""
    return BuiltRegistry(build, _workflows(BUILDS[build]))


def _workflows(build: Build) -> list[Workflow[Any, Any]]:
    @workflow
    async def carried(ctx: Context, program: Node, round: int = 1) -> Any:
        """Carries out a program; a coroutine."""
        ctx.on_query("round", lambda: round)
        results = [await _perform(ctx, node, acts) for node in program["of"]]
        if round < program["rounds"]:
            await ctx.continue_as_new(program, round + 1)
        return results

    @workflow
    async def yielded(ctx: Context, program: Node, round: int = 1) -> Any:
        """Carries out a program; an async generator."""
        ctx.on_query("round", lambda: round)
        results = []
        for node in program["of"]:
            if (operation := _simple(ctx, node)) is not None:
                results.append((yield operation))
            else:
                results.append(await _perform(ctx, node, acts))
        if round < program["rounds"]:
            yield ctx.continue_as_new(program, round + 1)
        yield ctx.complete(results)

    acts = _Acts(build, {"carried": carried, "yielded": yielded})
    return [each for each in acts.children.values() if each.name != build.lacks]


@dataclass(frozen=True, slots=True)
class _Acts:
    """What a build does differently, and its workflows."""

    build: Build
    children: dict[str, Workflow[Any, Any]]


def _simple(ctx: Context, node: Node) -> Any:
    """The operation of a node that is one, and fails nothing; None for others."""
    match node["op"]:
        case "work":
            return (work_elsewhere if node["queue"] == "other" else work)(node)
        case "toil":
            return toil(node)
        case "near":
            return near(node)
        case "sleep":
            return ctx.sleep(node["seconds"])
        case "effect":
            return ctx.side_effect(lambda: node["n"])
        case _:
            return None


async def _perform(ctx: Context, node: Node, acts: _Acts) -> Any:
    operation = _simple(ctx, node)
    return await (operation if operation is not None else _PERFORMERS[node["op"]](ctx, node, acts))


async def _all(ctx: Context, nodes: list[Node], acts: _Acts) -> list[Any]:
    return [await _perform(ctx, node, acts) for node in nodes]


_Performer = Callable[[Context, Node, _Acts], Coroutine[Any, Any, Any]]

_PERFORMERS: dict[str, _Performer] = {}
"""For each kind of node that is more than one operation: what carries it out."""


def _performs(op: str) -> Callable[[_Performer], _Performer]:
    def register(performer: _Performer) -> _Performer:
        _PERFORMERS[op] = performer
        return performer

    return register


# --- leaves ---


@_performs("status")
async def _status(ctx: Context, node: Node, acts: _Acts) -> None:
    ctx.set_status(node["n"])


@_performs("moment")
async def _moment(ctx: Context, node: Node, acts: _Acts) -> Any:
    if ctx.now().microsecond % 2:
        return await work({"n": node["n"], "takes": 0.0})
    return await ctx.sleep(0.1)


@_performs("wait")
async def _wait(ctx: Context, node: Node, acts: _Acts) -> int:
    try:
        return await ctx.wait_for_event(node["name"], int, timeout=node["limit"])
    except WaitTimedOut:
        return -1


@_performs("book")
async def _book(ctx: Context, node: Node, acts: _Acts) -> list[int]:
    return await book(node)


@_performs("bulk")
async def _bulk(ctx: Context, node: Node, acts: _Acts) -> int:
    return len(await bulk(node))


@_performs("fall")
async def _fall(ctx: Context, node: Node, acts: _Acts) -> None:
    await fall(node["n"])


@_performs("once")
async def _once(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        return await once(node)
    except ActivityFailed as error:
        return error.type


@_performs("hang")
async def _hang(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        return await hang.options(**LIMITS[node["within"]])(node["n"])  # type: ignore[arg-type]
    except ActivityFailed as error:
        return error.type


@_performs("tell")
async def _tell(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        await ctx.send_event(node["to"], node["name"], node["n"])
    except (InstanceNotFound, InstanceFinished) as error:
        return error.code
    return None


@_performs("patch")
async def _patch(ctx: Context, node: Node, acts: _Acts) -> Any:
    if acts.build.has_patch and ctx.patched(f"change-{node['n']}"):
        return await work({"n": node["n"], "takes": 0.0})
    return await ctx.sleep(0.5)


@_performs("fragile")
async def _fragile(ctx: Context, node: Node, acts: _Acts) -> Any:
    if acts.build.is_broken:
        return await ctx.sleep(0.1)
    return await work({"n": node["n"], "takes": 0.0})


# --- branches ---


@_performs("seq")
async def _seq(ctx: Context, node: Node, acts: _Acts) -> list[Any]:
    return await _all(ctx, node["of"], acts)


@_performs("try")
async def _try(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        return await _all(ctx, node["of"], acts)
    except (ActivityFailed, ChildWorkflowFailed, OutOfStock) as error:
        return type(error).__name__


@_performs("clean")
async def _clean(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        return await _all(ctx, node["of"], acts)
    finally:
        await mop({name: node[name] for name in ("n", "takes", "is_outermost")})


@_performs("gather")
async def _gather(ctx: Context, node: Node, acts: _Acts) -> list[Any]:
    parts = [_perform(ctx, inner, acts) for inner in node["of"]]
    found = await ctx.gather(*parts, return_exceptions=node["is_tolerant"])
    return [type(one).__name__ if isinstance(one, BaseException) else one for one in found]


@_performs("race")
async def _race(ctx: Context, node: Node, acts: _Acts) -> int:
    return (await ctx.race(*(_perform(ctx, inner, acts) for inner in node["of"]))).index


@_performs("map")
async def _map(ctx: Context, node: Node, acts: _Acts) -> list[Any]:
    items = [{"n": node["n"] * 100 + index, "takes": node["takes"]} for index in range(node["width"])]
    return await ctx.map(work, items, concurrency=node["at_once"])


@_performs("brood")
async def _brood(ctx: Context, node: Node, acts: _Acts) -> list[Any]:
    children = [node["program"]] * node["width"]
    return await ctx.map(acts.children["carried"], children, concurrency=node["at_once"])


@_performs("timeout")
async def _timeout(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        async with ctx.timeout(node["seconds"]):
            return await _all(ctx, node["of"], acts)
    except WaitTimedOut:
        return "late"


@_performs("spawn")
async def _spawn(ctx: Context, node: Node, acts: _Acts) -> Any:
    operation = _simple(ctx, node["node"])
    spawned = ctx.spawn(operation if operation is not None else _perform(ctx, node["node"], acts))
    then = await _all(ctx, node["then"], acts)
    if node["end"] == "w":
        return [await spawned, then]
    if node["end"] == "c":
        spawned.cancel()
    return then


@_performs("child")
async def _child(ctx: Context, node: Node, acts: _Acts) -> Any:
    options: dict[str, Any] = {"detached": node["detached"]}
    if node["named"]:
        options["id"] = f"{ctx.instance_id}/{node['n']}"
    child = acts.children[node["shape"]].options(**options)(node["program"])
    if node["limit"] is None:
        return await child
    try:
        async with ctx.timeout(node["limit"]):
            return await child
    except WaitTimedOut:
        return "late"


@_performs("saga")
async def _saga(ctx: Context, node: Node, acts: _Acts) -> Any:
    try:
        async with ctx.saga():
            done = await _all(ctx, node["of"], acts)
            if node["fails"]:
                raise OutOfStock
            return done
    except OutOfStock:
        return "undone"
