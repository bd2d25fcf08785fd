"""Law 12, second half: however the same messages are split into turns, the same is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus_sdk import Context, workflow
from nexus_sdk.authoring.duration import datetime_of
from nexus_sdk.core import events as e
from tests.core.acts import clean, other, work
from tests.core.driver import START_US, Driver, forget_all

# --- random programs: a tree of (kind, children or detail) ---

leaves = st.one_of(
    st.tuples(st.just("work"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from("ab")),
    st.tuples(st.just("sleep until"), st.integers(0, 25)),
    st.tuples(st.just("wait until"), st.tuples(st.sampled_from("ab"), st.integers(0, 25))),
    st.tuples(st.just("raise"), st.just(None)),
)


def _nested(inner: Any) -> Any:
    several = st.lists(inner, min_size=1, max_size=3)
    kinds = ["steps", "gather", "race", "spawn", "map", "tidy", "attempt", "timeout", "saga"]
    return st.tuples(st.sampled_from(kinds), several)


programs = st.recursive(leaves, _nested, max_leaves=10)


@dataclass
class Interpreter:
    """Runs a program tree as a workflow."""

    ctx: Context

    def left(self, second: int) -> float:
        """Until half a second after that second, or from now: no timer is due in the moment of a message.

        Two messages of that very moment, one in the turn that fires the timer and one after it, would not be told
        apart from two in one turn before it.
        """
        return max(0, second - round((self.ctx.now() - datetime_of(START_US)).total_seconds())) + 0.5

    async def run(self, tree: Any) -> Any:
        kind, detail = tree
        match kind:
            case "work":
                return await work(detail)
            case "wait":
                return await self.ctx.wait_for_event(detail)
            case "sleep until":
                return await self.ctx.sleep(self.left(detail))
            case "wait until":
                name, second = detail
                return await self.ctx.wait_for_event(name, timeout=self.left(second))
            case "raise":
                raise ValueError
            case "steps":
                return [await self.run(each) for each in detail]
            case "gather":
                return await self.ctx.gather(*(self.run(each) for each in detail))
            case "race":
                return (await self.ctx.race(*(self.run(each) for each in detail))).index
            case "map":
                return await self.ctx.map(self.run, detail, concurrency=2)
            case "spawn":
                spawned = [self.ctx.spawn(self.run(each)) for each in detail]
                await other("spawned")
                return [await each for each in spawned]
            case "tidy":
                try:
                    return [await self.run(each) for each in detail]
                finally:
                    await clean("tidy")
            case "attempt":
                try:
                    return [await self.run(each) for each in detail]
                except Exception as error:
                    return await other(type(error).__name__)
            case "timeout":
                async with self.ctx.timeout(self.left(15)):
                    return [await self.run(each) for each in detail]
            case "saga":
                async with self.ctx.saga() as saga:
                    saga.add(clean("undo"))
                    return [await self.run(each) for each in detail]


def flow_of(tree: Any) -> Any:
    @workflow(name="random")
    async def flow(ctx: Context):
        result = yield ctx.gather(Interpreter(ctx).run(tree), return_exceptions=True)
        yield ctx.complete([type(each).__name__ if isinstance(each, BaseException) else each for each in result])

    return flow


# --- random messages: each second one thing happens ---

happenings = st.lists(
    st.one_of(
        st.tuples(st.just("done"), st.integers(0, 5)),
        st.tuples(st.just("failed"), st.integers(0, 5)),
        st.tuples(st.just("event"), st.sampled_from("ab")),
        st.tuples(st.just("nothing"), st.just(0)),
        st.tuples(st.just("cancel"), st.just(0)),
    ),
    max_size=25,
)


def message_of(driver: Driver, happening: Any) -> e.Event | None:
    kind, detail = happening
    under_way = list(driver.under_way)
    if kind == "event":
        return driver.event(detail, detail)
    if kind == "cancel":
        return driver.cancel("enough")
    if kind == "nothing" or not under_way:
        return None
    path = under_way[detail % len(under_way)]
    return driver.done(path, path) if kind == "done" else driver.failed(path, ValueError("no"))


COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": False,
    "derandomize": True,
    "database": None,
}


@settings(max_examples=60, **COMMON)
@given(tree=programs, story=happenings)
def test_random_programs_replay_at_every_turn(tree: Any, story: list[Any]) -> None:
    driver = Driver(flow_of(tree))
    driver.turn()
    for happening in story:
        event = message_of(driver, happening)
        driver.turn(*([event] if event else []), after=1)
    for _ in range(60):  # everything is answered now: nothing may be stuck
        if driver.live.end is not None:
            break
        path = next(iter(driver.under_way), None)
        driver.turn(driver.event("a"), driver.event("b"), *([driver.done(path)] if path else []), after=1)
    assert driver.live.end is not None
    driver.check_prefixes()
    forget_all()  # a test of many examples keeps none of them


@settings(max_examples=150, **COMMON)
@given(tree=programs, story=happenings, cuts=st.lists(st.booleans(), min_size=12, max_size=12))
def test_any_batching_of_the_same_messages_asks_for_the_same(tree: Any, story: list[Any], cuts: list[bool]) -> None:
    """All messages of a moment may come in one turn, or in several turns stamped with that moment."""
    flow = flow_of(tree)
    one_by_one, in_batches = Driver(flow), Driver(flow)
    for driver in (one_by_one, in_batches):
        driver.is_thorough = False
        driver.turn()
    for start in range(0, len(story), 4):
        inputs: list[e.Event] = []
        for happening in story[start : start + 4]:
            if (event := message_of(one_by_one, happening)) is not None:
                one_by_one.turn(event, after=0 if inputs else 4)
                inputs.append(event)
        batch: list[e.Event] = []
        after = 4
        for number, event in enumerate(inputs):
            batch.append(event)
            if cuts[(start + number) % len(cuts)] or event is inputs[-1]:
                in_batches.turn(*batch, after=after)
                batch, after = [], 0
    settle(one_by_one)
    settle(in_batches)
    assert [event for event in one_by_one.history if isinstance(event, e.Output)] == [
        event for event in in_batches.history if isinstance(event, e.Output)
    ]
    assert one_by_one.live.end == in_batches.live.end
    forget_all()


def settle(driver: Driver) -> None:
    """Let everything that is due fire."""
    for _ in range(50):
        if not driver.turn():
            return
