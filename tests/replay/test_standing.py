"""Where a workflow stands at each event: strands, lines, variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import Context, activity, workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.replay.player import play
from nexus_sdk.replay.recorded import Recording, load_recording
from nexus_sdk.replay.standing import WINDOW, Standing, Standings
from nexus_sdk.testing import WorkflowEnvironment

CODEC = MsgpackCodec()


def standings(recording: Recording) -> Standings:
    import shop

    return Standings(shop.shop, recording.run(), CODEC)


def numbers(recording: Recording, kind: type[e.Event]) -> list[int]:
    return [number for number, event in enumerate(recording.run().events, start=1) if isinstance(event, kind)]


def next_of(standing: Standing | None) -> tuple[str, str, str]:
    """The strand that runs next: its function, its line, what it gets."""
    assert standing is not None
    assert standing.next is not None
    level = standing.next.levels[-1]
    return level.function, level.place.text, standing.next.gets


def test_at_an_output_the_line_that_asks_is_about_to_run(recording: Recording) -> None:
    places = standings(recording)
    first, second, third, fourth = numbers(recording, e.ActivityScheduled)
    for number in (first, second):
        assert next_of(places.at(number)) == ("order_one", "cost = await price(item)", "")
    for number in (third, fourth):
        assert next_of(places.at(number)) == ("order_one", "booking = await book(item, cost)", "")


def test_at_an_input_it_is_about_to_get_the_value(recording: Recording) -> None:
    first, *_ = numbers(recording, e.ActivityCompleted)
    function, text, gets = next_of(standings(recording).at(first))
    assert (function, text) == ("order_one", "cost = await price(item)")
    assert gets in ("6.0", "4.5")


def test_each_strand_shows_its_variables(recording: Recording) -> None:
    number = numbers(recording, e.ActivityScheduled)[2]
    standing = standings(recording).at(number)
    assert standing is not None
    by_path = {strand.path: dict(strand.levels[-1].variables) for strand in standing.strands}
    assert by_path[""] == {"items": "['lamp', 'rug']"}
    assert by_path["0.0"]["item"] == "'lamp'"
    assert by_path["0.1"]["item"] == "'rug'"
    ((path, known),) = [(path, known) for path, known in by_path.items() if "cost" in known]
    assert known["cost"] == {"0.0": "6.0", "0.1": "4.5"}[path]


def test_it_begins_with_the_arguments_and_ends_with_nothing(recording: Recording) -> None:
    places = standings(recording)
    assert next_of(places.at(2))[:2] == ("shop", "async def shop(ctx: Context, items: list[str]):")
    assert places.at(1) == Standing(1, ())
    assert places.at(places.count) == Standing(places.count, ())
    assert places.at(places.count + 1) is None


def test_back_is_the_same_as_forward(recording: Recording) -> None:
    forward, back = standings(recording), standings(recording)
    ahead = [forward.at(number) for number in range(1, forward.count + 1)]
    assert [back.at(number) for number in range(back.count, 0, -1)] == ahead[::-1]
    assert [forward.at(number) for number in range(1, forward.count + 1)] == ahead


def test_nothing_that_the_workflow_prints_is_seen(recording: Recording, capsys: pytest.CaptureFixture[str]) -> None:
    standings(recording).at(3)
    assert capsys.readouterr().out == ""


def test_past_the_first_difference_the_code_never_comes(recording: Recording) -> None:
    @workflow(name="shop")
    async def other(ctx: Context, items: list[str]):
        yield ctx.sleep(1)

    places = Standings(other, recording.run(), CODEC)
    assert play(other, recording.run(), CODEC).reached == 2
    assert places.at(2) is not None
    assert places.at(6) is None


@workflow
async def nested(ctx: Context):
    async def outer(x: int) -> int:
        y = x + 1
        return await inner(y)

    async def inner(z: int) -> int:
        ctx.spawn(note(z))
        return int(await note(z))

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    odd = Odd()
    long = list(range(10_000))
    yield ctx.complete([await outer(1), bool(odd), len(long)])


@activity
async def note(number: int) -> int:
    return number


async def test_helpers_that_await_each_other_are_levels_of_one_strand() -> None:
    async with WorkflowEnvironment([nested], [note]) as env:
        handle = await env.start(nested)
        await handle.result()
        run = (await load_recording(env.app.store, handle.id)).run()
    places = Standings(nested, run, CODEC)
    scheduled = [n for n, event in enumerate(run.events, start=1) if isinstance(event, e.ActivityScheduled)]
    for number in scheduled:  # the first is asked for by a running frame, the second by a suspended one
        standing = places.at(number)
        assert standing is not None
        (strand,) = standing.strands
        assert [level.function for level in strand.levels] == ["nested", "outer", "inner"]
        assert strand.levels[1].variables["y"] == "2"
        variables = strand.levels[0].variables
        assert variables["odd"].startswith("<Odd instance at")
        assert len(variables["long"]) < 100
        assert "ctx" not in variables
    whole = places.whole_at(scheduled[0], 60)
    assert len(whole["nested: long"]) > 100


async def test_far_positions_are_looked_at_alone(tmp_path: Path) -> None:
    @workflow
    async def long(ctx: Context):
        for number in range(3 * WINDOW):
            yield note(number)

    async with WorkflowEnvironment([long], [note]) as env:
        handle = await env.start(long)
        await handle.result()
        run = (await load_recording(env.app.store, handle.id)).run()
    places = Standings(long, run, CODEC)
    for number in (3, places.count - 1, 4, places.count // 2):
        standing: Any = places.at(number)
        expected = (number - 3) // 2
        assert standing.strands[0].levels[0].variables["number"] == str(expected)
