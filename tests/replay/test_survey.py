"""The survey: what the code would go on to ask for; it ends, runs nothing, and is only a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nexus_sdk import Context, activity, workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core.mismatch import describe
from nexus_sdk.errors import NonDeterminismError
from nexus_sdk.replay.explanation import explain
from nexus_sdk.replay.player import play
from nexus_sdk.replay.recorded import RecordedRun, load_recording
from nexus_sdk.replay.survey import AHEAD_MAX, StandIn, survey
from nexus_sdk.testing import WorkflowEnvironment

CODEC = MsgpackCodec()
RAN: list[str] = []


@activity
async def work(item: Any) -> Any:
    return item


@activity
async def other(item: Any) -> Any:
    return item


def flow_of(body: Callable[..., Any]) -> Any:
    return workflow(name="flow")(body)


async def recorded(flow: Any, *events: Any) -> RecordedRun:
    async with WorkflowEnvironment([flow], [work, other]) as env:
        handle = await env.start(flow, id="order-42")
        for event in events:
            await handle.send_event("go", event)
        await env.run_until_idle()
        return (await load_recording(env.app.store, handle.id)).run()


def asked(flow: Any, run: RecordedRun) -> list[str]:
    return [f"{one.event.path} {describe(one.event)}".strip() for one in survey(flow, run, CODEC)]


async def three(ctx: Context):
    first = yield work("a")
    second = yield ctx.wait_for_event("go")
    yield ctx.complete((yield other([first, second])))


async def test_unchanged_code_asks_for_what_is_recorded() -> None:
    flow = flow_of(three)
    run = await recorded(flow, 7)
    assert asked(flow, run) == [
        "0 activity 'work'",
        "1 a wait for event 'go'",
        "2 activity 'other'",
        "the end of the workflow",
    ]
    numbers = [one.recorded for one in survey(flow, run, CODEC)]
    assert numbers == [3, 6, 7, 9]


async def test_results_follow_their_operations_wherever_they_go() -> None:
    seen: list[Any] = []

    async def moved(ctx: Context):
        second = yield ctx.wait_for_event("go")
        new = yield work.options()("b")
        third = yield other(1)
        seen.append((second, new, third))
        yield ctx.complete()

    run = await recorded(flow_of(three), 7)
    assert asked(flow_of(moved), run)[-1] == "the end of the workflow"
    assert seen == [(7, "a", ["a", 7])]


async def test_what_is_new_gets_a_stand_in_and_nothing_runs() -> None:
    seen: list[Any] = []

    async def added(ctx: Context):
        yield ctx.side_effect(lambda: RAN.append("side effect"))
        unknown = yield work.options()(1)
        known = yield other(unknown)
        new = yield other(2)
        seen.append((known, new.name[0], [*new], bool(new)))
        yield work("a")

    run = await recorded(flow_of(three), 7)
    asked(flow_of(added), run)
    ((known, name, items, truth),) = seen
    assert known == ["a", 7]
    assert isinstance(name, StandIn)
    assert (items, truth) == ([], True)
    assert RAN == []


async def test_a_stand_in_can_be_reckoned_with_and_passed_on() -> None:
    async def adding(ctx: Context):
        total = 1 + (yield other("new")) * 2
        if total > 3:
            yield ctx.sleep(1)
        yield work(total)

    async def before(ctx: Context):
        yield work(1)

    run = await recorded(flow_of(before))
    assert asked(flow_of(adding), run) == ["0 activity 'other'", "1 activity 'work'", "the end of the workflow"]
    played = play(flow_of(adding), run, CODEC)
    assert "was added in front of activity 'work'" in explain(flow_of(adding), played, CODEC).guesses[0].text


async def test_a_loop_without_an_end_is_left() -> None:
    async def endless(ctx: Context):
        while True:
            yield other(1)

    run = await recorded(flow_of(three), 7)
    assert len(asked(flow_of(endless), run)) <= len(run.events) + AHEAD_MAX + 1
    played = play(flow_of(endless), run, CODEC)
    assert isinstance(played.error, NonDeterminismError)
    explanation = explain(flow_of(endless), played, CODEC)
    assert "activity 'other'" in "\n".join(explanation.lines())


async def test_code_that_can_make_nothing_of_a_stand_in_is_still_explained() -> None:
    async def adding(ctx: Context):
        yield work({}[(yield other("new"))])

    async def before(ctx: Context):
        yield work(1)

    run = await recorded(flow_of(before))
    played = play(flow_of(adding), run, CODEC)
    explanation = explain(flow_of(adding), played, CODEC)
    assert explanation.pairs[0].is_first
    assert explanation.number == 3


async def test_code_that_swallows_everything_is_explained_too() -> None:
    async def swallowing(ctx: Context):
        while True:
            try:
                yield other(1)
            except BaseException:
                continue

    run = await recorded(flow_of(three), 7)
    played = play(flow_of(swallowing), run, CODEC)
    assert explain(flow_of(swallowing), played, CODEC).guesses
