"""A function starts cold with little: the benchmark runs, and on the way to the first turn nothing heavy is loaded."""

from __future__ import annotations

import pytest

from benchmarks import aws_cold_start

pytestmark = pytest.mark.component

HEAVY = {"aioboto3", "aiobotocore", "boto3", "botocore", "cloudpickle", "pydantic", "rich", "sqlite3", "structlog"}
HEAVY |= {"zipfile"}  # comes with importlib.metadata, which reads what is said of each installed package


def test_the_first_turn_of_a_cold_function_loads_nothing_heavy(
    cloud: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = aws_cold_start.measured(1)
    (run,) = measured
    assert HEAVY & set(run["loaded"]) == set()
    monkeypatch.setattr(aws_cold_start, "measured", lambda reps: measured)
    aws_cold_start.main([])
    shown = capsys.readouterr().out
    assert all(name in shown for name in [*run["laps"], "all but waiting"])
