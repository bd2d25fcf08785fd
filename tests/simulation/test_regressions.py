"""Runs that have found bugs, kept as data: whatever the generator draws by now, they are still these runs.

Add one, made smaller, while it still fails::

    python -m nexus_sdk.testing.simulation --seed N --keep tests/simulation/regressions/NAME.json --why "…"
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nexus_sdk.testing.simulation.__main__ import main, read_plan
from nexus_sdk.testing.simulation.plan import draw, from_json, to_json
from nexus_sdk.testing.simulation.world import simulate

KEPT = sorted((Path(__file__).parent / "regressions").glob("*.json"))


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_what_was_mended_stays_mended(file: Path) -> None:
    assert simulate(read_plan(file)).broken == ""


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_each_says_which_bug_it_has_found(file: Path) -> None:
    assert json.loads(file.read_text(encoding="utf-8"))["why"]


def test_a_plan_survives_being_kept() -> None:
    for seed in range(30):
        plan = draw(seed)
        assert from_json(json.loads(json.dumps(to_json(plan)))) == plan


def test_a_seed_can_be_kept_and_run_again_as_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kept.json"
    assert main(["--seed", "3", "--quiet", "--keep", str(file), "--why", "to see"]) == 0
    assert main(["--plan", str(file), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert said.count(simulate(draw(3)).trace.hash) == 2
