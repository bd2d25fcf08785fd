"""`nexus replay`: rows, verdicts, explanations, until, steps by lines, pdb, JSON; without store and activities."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from nexus_sdk.cli.app import app
from nexus_sdk.client.history import History
from nexus_sdk.codec import CodecChain, Encryption
from nexus_sdk.replay.recorded import Recording, load_recording, recording_to_text
from nexus_sdk.testing import WorkflowEnvironment
from tests.cli.test_json import check
from tests.replay.conftest import SHOP, forget, record

Nexus = Callable[..., Result]


@pytest.fixture
def nexus(folder: Path) -> Nexus:
    """Types a command, on the code that is in the folder now."""

    def typed(*words: str, input: str | None = None) -> Result:
        forget(folder)
        result = CliRunner().invoke(app, list(words), input=input, catch_exceptions=False)
        assert "nexus_sdk/" not in result.output, result.output
        return result

    return typed


def change(folder: Path, old: str, new: str) -> None:
    """Another shop.py."""
    assert old in SHOP
    (folder / "shop.py").write_text(SHOP.replace(old, new), encoding="utf-8")


def test_a_row_per_event_with_its_source_line(nexus: Nexus, file: str, recording: Recording) -> None:
    shown = nexus("replay", "shop:shop", "--history", file)
    assert shown.exit_code == 0
    head, *rows, blank, verdict = shown.stdout.splitlines()
    assert head.startswith("order-42  shop, 15 events, ")
    assert len(rows) == len(recording.run().events) == 15
    for number, (row, event) in enumerate(zip(rows, recording.run().events, strict=True), start=1):
        assert row.split()[0] == str(number)
        assert row.split()[2] == type(event).__name__
        assert "shop.py:" in row
    assert "cost = await price(item)" in rows[3]
    assert "0.0.0 price" in rows[3]
    assert 'ctx.set_status("shopping")' in rows[2]
    assert any("PatchDecided" in row and 'if ctx.patched("nap"):' in row for row in rows)
    assert "yield ctx.complete(total)" in rows[-1]
    assert (blank, "replays with this code: 15 events" in verdict) == ("", True)


def test_no_activity_runs_and_no_store_is_made(nexus: Nexus, file: str, folder: Path) -> None:
    change(folder, "    return len(item) * 1.5", "    raise SystemExit('an activity ran')")
    assert nexus("replay", "shop:shop", "--history", file).exit_code == 0
    assert list(folder.glob("*.db*")) == []


def test_an_instance_of_a_store_is_only_read(nexus: Nexus, folder: Path) -> None:
    nexus("start", "shop:rounds", "--id", "r", "--input", "0")
    store = Path("nexus.db")
    before = store.read_bytes()
    shown = nexus("replay", "shop:rounds", "--id", "r")
    assert (shown.exit_code, "WorkflowCreated" in shown.stdout) == (0, True)
    assert store.read_bytes() == before
    assert nexus("replay", "shop:rounds", "--id", "nobody").exit_code == 1


def test_until_shows_where_it_stands(nexus: Nexus, file: str) -> None:
    shown = nexus("replay", "shop:shop", "--history", file, "--until", "6")
    lines = shown.stdout.splitlines()
    assert sum(line.lstrip().startswith(tuple("123456789")) for line in lines) == 6
    assert "all of it replays" not in shown.stdout
    assert any("kilos" in line or "item = 'lamp'" in line for line in lines)
    assert any("← " in line for line in lines)


@pytest.mark.parametrize("until", ["0", "16", "-1"])
def test_until_an_event_that_is_not_there_is_refused(nexus: Nexus, file: str, until: str) -> None:
    refused = nexus("replay", "shop:shop", "--history", file, "--until", until)
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_where_code_and_record_part_it_explains(nexus: Nexus, file: str, folder: Path) -> None:
    change(
        folder,
        "    booking = await book(item, cost)\n",
        "    await book(item, 0)\n    booking = await book(item, cost)\n",
    )
    shown = nexus("replay", "shop:shop", "--history", file)
    assert shown.exit_code == 1
    assert "the replay stops behind event" in shown.stdout
    assert "[NX201] order-42" in shown.stdout
    assert "->" in shown.stdout
    assert "Most likely:" in shown.stdout
    assert "To mend it:" in shown.stdout


def test_what_is_beyond_until_does_not_count(nexus: Nexus, file: str, folder: Path) -> None:
    change(folder, "    yield ctx.complete(total)", "    yield ctx.sleep(1)\n    yield ctx.complete(total)")
    assert nexus("replay", "shop:shop", "--history", file, "--until", "9").exit_code == 0
    assert nexus("replay", "shop:shop", "--history", file).exit_code == 1


def test_other_arguments_are_a_warning(nexus: Nexus, file: str, folder: Path) -> None:
    change(folder, "book(item, cost)", "book(item, cost + 1)")
    shown = nexus("replay", "shop:shop", "--history", file)
    assert shown.exit_code == 0
    warnings = [line for line in shown.stdout.splitlines() if line.startswith("warning")]
    assert len(warnings) == 2
    assert "activity 'book' is given another set of arguments: cost was" in warnings[0]


def test_json_is_what_is_documented(nexus: Nexus, file: str, folder: Path) -> None:
    said = json.loads(nexus("replay", "shop:shop", "--history", file, "--json").stdout)
    check("replay", said)
    assert said["ok"]
    assert said["events"][3]["source"] == "cost = await price(item)"
    assert said["events"][3]["arguments"] == {"item": "lamp"}
    change(folder, "book(item, cost)", "price(item + 'x')")
    failed = nexus("replay", "shop:shop", "--history", file, "--json")
    said = json.loads(failed.stdout)
    check("replay", said)
    assert (failed.exit_code, said["ok"]) == (1, False)
    assert said["stopped"]["error"]["code"] == "NX201"
    assert said["difference"]["line"] == 17
    assert [row["mark"] for row in said["difference"]["diff"]][-1] in "+-~|"
    exported = nexus("history", "r", "--json")
    assert exported.exit_code == 2  # no store here


async def test_runs_can_be_chosen(nexus: Nexus, folder: Path) -> None:
    import shop

    recording = await record(shop, "rounds", 2, events=("a", "b", "c"))
    (folder / "rounds.json").write_text(recording_to_text(recording), encoding="utf-8")
    last = nexus("replay", "shop:rounds", "--history", "rounds.json")
    assert "run 3 of 3" in last.stdout
    assert "WorkflowCompleted" in last.stdout
    first = nexus("replay", "shop:rounds", "--history", "rounds.json", "--run", "1")
    assert "run 1 of 3" in first.stdout
    assert "ContinuedAsNew" in first.stdout
    assert nexus("replay", "shop:rounds", "--history", "rounds.json", "--run", "4").exit_code == 2


def test_a_history_can_come_through_a_pipe(nexus: Nexus, recording: Recording) -> None:
    shown = nexus("replay", "shop:shop", "--history", "-", input=recording_to_text(recording))
    assert shown.exit_code == 0
    refused = nexus("replay", "shop:shop", "--history", "-", "--step", input="")
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Which history?"),
        (["--history", "history.json", "--id", "x"], "Which history?"),
        (["--history", "nothing.json"], "there is no history to read at 'nothing.json'"),
        (["--history", "shop.py"], "'shop.py' is not JSON"),
        (["--history", "history.json", "--step", "--json"], "three ways to look at it"),
        (["--history", "history.json", "--step", "--pdb"], "three ways to look at it"),
    ],
)
def test_what_makes_no_sense_is_told(nexus: Nexus, file: str, words: list[str], said: str) -> None:
    refused = nexus("replay", "shop:shop", *words)
    assert refused.exit_code in (1, 2)
    assert said in refused.stderr
    assert refused.stdout == ""


def test_a_history_of_another_workflow_names_it(nexus: Nexus, file: str) -> None:
    refused = nexus("replay", "shop:rounds", "--history", file)
    assert refused.exit_code == 2
    assert "history of workflow 'shop', not of 'rounds'" in refused.stderr
    assert "shop:shop" in refused.stderr


def test_another_version_is_said(nexus: Nexus, file: str, folder: Path) -> None:
    change(folder, "@workflow\nasync def shop", '@workflow(version="2")\nasync def shop')
    shown = nexus("replay", "shop:shop", "--history", file)
    assert shown.exit_code == 0
    assert "recorded with version 1 of 'shop', replayed with version 2" in shown.stderr


# --- what cannot be read ----------------------------------------------------------------------------------------------

KEYED = """
from nexus_sdk import Context, Nexus, activity, workflow
from nexus_sdk.codec import CodecChain, Encryption

@activity
async def look(name: str) -> str:
    return "secret " + name

@workflow
async def case(ctx: Context, name: str):
    ctx.set_status("began")
    yield ctx.sleep(1)
    found = yield look("it")
    yield ctx.complete(found)

app = Nexus(workflows=[case], activities=[look], codec=CodecChain(Encryption({"KEY": bytes(range(32))})))
"""


@pytest.fixture
async def sealed(folder: Path) -> str:
    (folder / "keyed.py").write_text(KEYED.replace("KEY", "2025"), encoding="utf-8")
    import keyed

    codec = CodecChain(Encryption({"2025": bytes(range(32))}))
    async with WorkflowEnvironment([keyed.case], [keyed.look], codec=codec) as env:
        await env.run(keyed.case, "Ada", id="case-1")
        text = recording_to_text(await load_recording(env.app.store, "case-1"))
    (folder / "sealed.json").write_text(text, encoding="utf-8")
    return "sealed.json"


def test_with_the_keys_of_the_app_values_are_shown(nexus: Nexus, sealed: str) -> None:
    shown = nexus("replay", "keyed:case", "--history", sealed)
    assert shown.exit_code == 0
    assert "secret it" in shown.stdout
    assert "(name=Ada)" in shown.stdout


def test_without_the_key_values_are_shown_as_such(nexus: Nexus, sealed: str, folder: Path) -> None:
    (folder / "keyed.py").write_text(KEYED.replace("KEY", "2026"), encoding="utf-8")
    shown = nexus("replay", "keyed:case", "--history", sealed)
    rows = shown.stdout.splitlines()
    assert shown.exit_code == 1
    assert any("ActivityCompleted" in row and "key '2025'" in row for row in rows)
    assert "the replay stops behind event" in shown.stdout  # its own arguments are the first that it needs
    assert "2025" in shown.stdout.partition("stops behind")[2]
    assert "secret" not in shown.stdout


# --- step by step -----------------------------------------------------------------------------------------------------


def test_steps_can_be_read_as_lines(nexus: Nexus, file: str) -> None:
    shown = nexus("replay", "shop:shop", "--history", file, "--step", input="n\n\nb\n9\n/complete\nq\n")
    assert shown.exit_code == 0
    places = [line.split("event ")[1].split(" of")[0] for line in shown.stdout.splitlines() if " of 15  " in line]
    assert places[:5] == ["1", "2", "3", "2", "9"]
    assert places[5] != "9"
    assert nexus("replay", "shop:shop", "--history", file, "--step", "--until", "4", input="").exit_code == 0


def test_pdb_stops_in_the_workflows_frame(nexus: Nexus, file: str) -> None:
    shown = nexus("replay", "shop:shop", "--history", file, "--until", "4", "--pdb", input="p item\nw\nn\np cost\nc\n")
    assert shown.exit_code == 0
    assert "shop.py(17)order_one()" in shown.stdout
    assert "-> cost = await price(item)" in shown.stdout
    assert "'lamp'" in shown.stdout
    assert "-> booking = await book(item, cost)" in shown.stdout
    assert "6.0" in shown.stdout


def test_pdb_stops_by_itself_where_code_and_record_part(nexus: Nexus, file: str, folder: Path) -> None:
    change(folder, "    total = sum(", "    yield ctx.sleep(9)\n    total = sum(")
    shown = nexus("replay", "shop:shop", "--history", file, "--pdb", input="n\nn\nn\nc\n")
    assert "shop.py(" in shown.stdout
    assert "NX201" in shown.stderr
    assert shown.exit_code == 1


def test_pdb_at_the_end_says_that_nothing_runs(nexus: Nexus, file: str) -> None:
    shown = nexus("replay", "shop:shop", "--history", file, "--until", "15", "--pdb", input="")
    assert "never stands at event 15" in shown.stderr


def test_a_history_is_still_a_sequence_of_events(recording: Recording) -> None:
    history: Any = History(recording.run().batches)
    assert list(history) == list(recording.run().events)
