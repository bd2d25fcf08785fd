"""`nexus cost estimate`: what is typed, what is answered, and what is told when it makes no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Nexus
from tests.cli.test_json import check

WORK = """
from pathlib import Path

from nexus_sdk import Context, Retry, activity, workflow

@activity(retry=Retry(max_attempts=3, jitter="none"))
async def charge(cents: int) -> dict:
    ledger = Path("charged")
    ledger.write_text((ledger.read_text() if ledger.exists() else "") + "x")
    if len(ledger.read_text()) % 2:
        raise ValueError("no money yet")
    return {"receipt": f"r-{cents}"}

@activity
def ship(receipt: str) -> None:
    print("shipping", receipt)

@workflow
async def child(ctx: Context, receipt: str):
    print("shipping by child")
    await ship(receipt)

@workflow
async def order(ctx: Context, cents: int = 5):
    paid = await charge(cents)
    ok = await ctx.wait_for_event("approved", bool)
    if ok:
        await child.options(id=f"{ctx.instance_id}-child")(paid["receipt"])
    return ok

@workflow
async def plain(ctx: Context):
    await ship("it")

@workflow
async def stuck(ctx: Context):
    import asyncio
    await asyncio.sleep(1)
"""


@pytest.fixture(autouse=True)
def work(folder: Path) -> None:
    (folder / "work.py").write_text(WORK)


RESULTS = ("--results", '{"charge": {"receipt": "r"}}')
APPROVED = ("--event", "approved=true")


def estimated(nexus: Nexus, *words: str) -> dict[str, Any]:
    done = nexus("cost", "estimate", *words, "--json")
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.stdout)
    check("cost", said)
    return said


def test_an_estimate_has_the_run_the_idle_month_the_others_and_the_assumptions(nexus: Nexus, folder: Path) -> None:
    done = nexus("cost", "estimate", "work:order", *RESULTS, *APPROVED)
    assert done.exit_code == 0, done.output
    for words in (
        "order: 2 runs, 2 activities, 1 event, ",
        "A RUN ",
        "DynamoDB write units",
        "A MONTH IN WHICH NOTHING RUNS",
        "10,000 RUNS A MONTH",
        "Step Functions Standard",
        "Lambda durable functions",
        "cheaper than",
        "prices of aws us-east-1 as of 20",
        "no free tier",
    ):
        assert words in done.stdout, done.stdout
    assert not (folder / "charged").exists()  # no activity has run
    assert not (folder / "nexus.db").exists()
    assert "shipping" not in done.stdout  # what workflows print is no part of the answer


def test_as_data_it_is_what_is_documented_and_adds_up(nexus: Nexus) -> None:
    said = estimated(nexus, "work:order", *RESULTS, *APPROVED, "--per-month", "100")
    ours, *others = said["offers"]
    assert (ours["name"], len(others)) == ("NEXUS", 2)
    for offer in said["offers"]:
        assert offer["cost_per_run"] == pytest.approx(sum(each["cost"] for each in offer["per_run"].values()))
        idle = offer["cost_idle_per_month"]
        assert offer["cost_per_month"] == pytest.approx(idle + 100 * offer["cost_per_run"])
    assert said["counted"]["work"]["activities"] == 2
    assert said["counted"]["invocations"]["start"] == 1
    assert said["made_up"] == {"ship": None}


def test_prices_of_a_file_replace_those_they_name(nexus: Nexus, folder: Path) -> None:
    path = folder / "prices.json"
    path.write_text('{"as_of": "2026-02-03", "region": "mars-1", "prices": {"dynamodb.write_unit": {"price": 0}}}')
    usual, cheap = estimated(nexus, "work:plain"), estimated(nexus, "work:plain", "--prices", "prices.json")
    assert (cheap["prices"]["region"], cheap["prices"]["as_of"]) == ("mars-1", "2026-02-03")
    saved = usual["offers"][0]["per_run"]["dynamodb.write_unit"]["cost"]
    assert usual["offers"][0]["cost_per_run"] - cheap["offers"][0]["cost_per_run"] == pytest.approx(saved)


def test_assumptions_can_be_other_ones_and_are_said(nexus: Nexus) -> None:
    slow = estimated(
        nexus, "work:plain", "--activity-ms", "70000", "--request-ms", "5", "--memory-mb", "256", "--keep-days", "0"
    )
    assert slow["offers"][0]["per_run"]["lambda.gb_second"]["quantity"] >= 70 / 4
    assert "dynamodb.storage_gb_month" not in slow["offers"][0]["per_run"]
    said = " ".join(slow["assumptions"])
    assert "an activity takes 70000 ms" in said
    assert "256 MB" in said
    assert "a longer timeout" in said


def test_the_activities_themselves_are_run_only_when_it_is_asked_for(nexus: Nexus, folder: Path) -> None:
    said = estimated(nexus, "work:order", *APPROVED, "--run-activities")
    assert said["counted"]["work"]["attempts"] == 3  # the first charge fails
    assert (folder / "charged").read_text() == "xx"
    assert said["made_up"] == {}


@pytest.mark.parametrize("named", ["--id", "--history"])
def test_a_recorded_run_is_counted_with_its_results_retries_and_events(nexus: Nexus, folder: Path, named: str) -> None:
    nexus("start", "work:order", "--id", "o-1", "--input", "7")
    nexus("event", "o-1", "approved", "true")
    assert nexus("run", "work:order", "--id", "o-1").exit_code == 0
    (folder / "o-1.json").write_text(nexus("history", "o-1", "--json").stdout)
    (folder / "charged").unlink()
    said = estimated(nexus, "work:order", named, {"--id": "o-1", "--history": "o-1.json"}[named])
    assert (
        said["counted"]["work"] | {"runs": 2, "activities": 2, "attempts": 3, "events": 1, "children": 1}
        == (said["counted"]["work"])
    )
    assert said["counted"]["seconds"] > 0.5  # the pause before the retry
    assert said["made_up"] == ({} if named == "--id" else {"ship": None})  # a file has no children
    assert not (folder / "charged").exists()


def test_a_recorded_run_that_failed_is_counted_too(nexus: Nexus) -> None:
    nexus("run", "orders:fulfil", "--id", "f-1", "--input", '["x", 500]')
    said = estimated(nexus, "orders:fulfil", "--id", "f-1")
    assert said["status"] == "failed"
    assert said["counted"]["work"]["attempts"] == 1


def told(nexus: Nexus, *words: str, code: int) -> str:
    refused = nexus("cost", *words)
    assert (refused.exit_code, refused.stdout) == (code, ""), refused.output
    return refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ([], 2, "See: nexus cost --help"),
        (["guess"], 2, "No such command 'guess'"),
        (["estimate"], 2, "Missing argument"),
        (["estimate", "work:nothing"], 2, "has no workflow 'nothing'"),
        (["estimate", "work:order", "--input", "{"], 2, "is not JSON"),
        (["estimate", "work:order", "--input", '"x"'], 2, "--input does not fit order"),
        (["estimate", "work:order", "--results", "[]"], 2, "--results is an object"),
        (["estimate", "work:order", "--results", '{"chrage": 1}'], 2, "there is no activity 'chrage'"),
        (["estimate", "work:order", "--event", "=1"], 2, "has no name"),
        (["estimate", "work:order", "--event", "approved=yes"], 2, "--event approved is not JSON"),
        (["estimate", "work:order", "--memory-mb", "1"], 2, "--memory-mb"),
        (["estimate", "work:order", "--prices", "none.json"], 2, "no price table to read at 'none.json'"),
        (["estimate", "work:order", "--on", "mars"], 2, "knows what things cost on 'mars'"),
        (["estimate", "work:order", "--id", "a", "--history", "b"], 2, "two ways to name a recorded run"),
        (["estimate", "work:order", "--id", "a", "--input", "1"], 2, "has its own input"),
        (["estimate", "work:order", "--run-activities", "--results", "{}"], 2, "Choose one"),
        (["estimate", "work:order", "--history", "none.json"], 2, "no history to read at 'none.json'"),
        (["estimate", "work:order", "--id", "a"], 2, "There is no store at"),
        (["estimate", "work:order", *RESULTS], 1, "waits for the event 'approved'"),
        (["estimate", "work:order", *APPROVED], 1, "charge returned an empty dict"),
        (["estimate", "work:stuck"], 1, "is blocked"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_told(nexus: Nexus, words: list[str], code: int, expected: str) -> None:
    assert expected in told(nexus, *words, code=code)


def test_of_a_run_that_goes_on_nobody_knows_what_it_will_cost(nexus: Nexus) -> None:
    nexus("start", "work:order", "--id", "o-1")
    assert "o-1 has not ended" in told(nexus, "estimate", "work:order", "--id", "o-1", code=2)


def test_a_history_of_another_workflow_is_refused(nexus: Nexus) -> None:
    nexus("run", "work:plain", "--id", "p-1")
    assert "a history of workflow 'plain'" in told(nexus, "estimate", "work:order", "--id", "p-1", code=2)
