"""`nexus doctor --history` and `--all`: what is damaged is named, with what to do, and the rest is verified too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Nexus

FLIP = """UPDATE batches SET data = CAST(substr(data, 1, 20) || x'ff' || substr(data, 22) AS BLOB)
    WHERE instance_id = ? AND number = 2"""


@pytest.fixture
def spoil(nexus: Nexus, folder: Path) -> Callable[..., None]:
    """Three instances are stored; changes something behind the store's back."""
    for id in ("a", "b"):
        assert nexus("run", "orders:fulfil", "--id", id, "--input", '["lamp", 5]').exit_code == 0
    nexus("start", "orders:approval", "--id", "c")

    def change(statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(folder / "nexus.db")) as database, database:
            assert database.execute(statement, values).rowcount == 1

    return change


@pytest.mark.usefixtures("spoil")
def test_what_is_whole_is_counted(nexus: Nexus) -> None:
    every = nexus("doctor", "--all")
    assert every.exit_code == 0
    assert every.stdout.startswith("3 instances, 3 histories, ")
    assert "events/s" in every.stdout
    assert every.stdout.endswith("All is as it was written.\n")
    one = nexus("doctor", "--history", "a")
    assert one.stdout.startswith("1 instance, 1 history, ")


def test_a_damaged_instance_is_named_and_stops_nothing(nexus: Nexus, spoil: Callable[..., None]) -> None:
    spoil(FLIP, "b")
    every = nexus("doctor", "--all")
    assert every.exit_code == 1
    line, summary = every.stdout.splitlines()
    assert line.startswith("damaged  b  run 1, batch 2: ")
    assert line.endswith("Restore them from a backup.")
    assert summary.startswith("3 instances, 3 histories, ")
    assert summary.endswith(" 1 is damaged.")
    assert nexus("doctor", "--history", "b").exit_code == 1
    assert nexus("doctor", "--history", "a").exit_code == 0

    said = json.loads(nexus("doctor", "--all", "--json").stdout)
    assert (said["ok"], said["instances"], [one["id"] for one in said["damaged"]]) == (False, 3, ["b"])
    (damage,) = said["damaged"][0]["damages"]
    assert (damage["run"], damage["batch"]) == (1, 2)


def test_a_column_of_another_type_is_told_in_a_line(nexus: Nexus, spoil: Callable[..., None]) -> None:
    spoil("UPDATE batches SET data = CAST(data AS TEXT) WHERE instance_id = ? AND number = 2", "b")
    line, _ = nexus("doctor", "--all").stdout.splitlines()
    assert line.startswith("damaged  b  it cannot be read (StoreError: ")


def test_a_record_that_cannot_be_read_hides_no_other_instance(nexus: Nexus, spoil: Callable[..., None]) -> None:
    spoil("UPDATE instances SET record = x'00' WHERE id = ?", "b")
    said = json.loads(nexus("doctor", "--all", "--json").stdout)
    assert (said["ok"], said["instances"]) == (False, 2)
    assert "an instance cannot be listed" in said["damaged"][0]["damages"][0]["what"]
    one = nexus("doctor", "--history", "b")
    assert (one.exit_code, "are not a record" in one.stdout) == (1, True)


def test_a_record_that_says_something_else_than_the_history_is_damage(
    nexus: Nexus, spoil: Callable[..., None], folder: Path
) -> None:
    with closing(sqlite3.connect(folder / "nexus.db")) as database:
        (record,) = database.execute("SELECT record FROM instances WHERE id = 'a'").fetchone()
    spoil("UPDATE instances SET record = ? WHERE id = 'a'", record.replace(b"\xa9completed", b"\xa9cancelled"))
    report = nexus("doctor", "--history", "a")
    assert (report.exit_code, "the record says cancelled, the history completed" in report.stdout) == (1, True)


def test_a_damaged_instance_is_terminated_and_purged(nexus: Nexus, spoil: Callable[..., None]) -> None:
    spoil(FLIP.replace("number = 2", "number = 1"), "c")
    assert json.loads(nexus("show", "c", "--json").stdout)["status"] == "pending"
    assert nexus("terminate", "c", "--reason", "the disk was bad").exit_code == 0
    ended = nexus("run", "orders:approval", "--id", "c")  # whichever worker comes first ends it
    assert (ended.exit_code, "was terminated: the disk was bad" in ended.stderr) == (1, True)
    assert json.loads(nexus("show", "c", "--json").stdout)["status"] == "terminated"
    assert nexus("doctor", "--history", "c").exit_code == 1
    assert nexus("purge", "c").exit_code == 0
    assert nexus("doctor", "--all").exit_code == 0


@pytest.mark.usefixtures("spoil")
def test_who_is_not_there_and_what_makes_no_sense(nexus: Nexus) -> None:
    nobody = nexus("doctor", "--history", "nobody")
    assert (nobody.exit_code, nobody.stderr.startswith("[NX301]")) == (1, True)
    assert nexus("doctor", "--history", "a", "--all").exit_code == 2
    assert nexus("doctor", "--all", "--store", "sqlite:///nowhere.db").exit_code == 2
