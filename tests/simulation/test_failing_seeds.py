"""What a failing seed leaves behind: a command that runs it again, a smaller run, and its trace."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from nexus_sdk.testing.simulation.__main__ import describe, main
from nexus_sdk.testing.simulation.plan import Rates, draw, parts
from nexus_sdk.testing.simulation.shrinking import command, shrink
from nexus_sdk.testing.simulation.world import Outcome, simulate
from tests.simulation.mutants import planted

BUG = "early ack"


def failing() -> Outcome:
    for seed in range(50):
        outcome = simulate(draw(seed))
        if outcome.broken and len(outcome.plan.programs) > 1:
            return outcome
    raise LookupError(f"{BUG} was not noticed")


def test_a_failing_run_is_made_smaller_and_can_be_typed() -> None:
    with planted(BUG):
        outcome = failing()
        smaller = shrink(outcome, runs_max=25)
        assert smaller.broken
        assert len(smaller.trace.lines) < len(outcome.trace.lines)
        words = command(smaller.plan).split()
        assert words[:3] == ["python", "-m", "nexus_sdk.testing.simulation"]
        assert main([*words[3:], "--quiet", "--keep-size", "--traces", "build/simulation"]) == 1


def test_its_trace_is_kept(tmp_path: Path) -> None:
    with planted(BUG):
        outcome = failing()
        said = "\n".join(describe(outcome, outcome, tmp_path))
    (kept,) = tmp_path.iterdir()
    text = kept.read_text(encoding="utf-8")
    assert text.startswith(command(outcome.plan))
    assert outcome.trace.lines[-1] in text
    assert outcome.broken in said
    assert str(kept) in said


def test_a_seed_that_holds_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "0", "--quiet", "--coverage"]) == 0
    said = capsys.readouterr().out
    assert simulate(draw(0)).trace.hash in said
    assert "never reached:" in said


def test_every_part_of_a_plan_can_be_left_out() -> None:
    plan = draw(next(seed for seed in range(100) if len(draw(seed).programs) > 2))
    bare = draw(plan.seed, drops=parts(plan))
    assert bare.programs == (None,) * len(plan.programs)
    assert bare.acts == (None,) * len(plan.acts)
    assert not any(getattr(bare.rates, rate.name) for rate in fields(Rates) if rate.name != "latency_seconds")
    assert len(bare.builds) == 1


def test_what_is_left_out_changes_nothing_else() -> None:
    plan = draw(5)
    without = draw(5, drops=["crash"])
    assert without.programs == plan.programs
    assert without.acts == plan.acts
    assert without.rates.fail_after == plan.rates.fail_after
