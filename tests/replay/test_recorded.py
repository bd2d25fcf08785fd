"""The file of a history: what is exported can be read back, and what is no export is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk import HistoryCorruptedError, InvalidArgument
from nexus_sdk.codec.wire_json import batch_to_json
from nexus_sdk.replay.recorded import (
    FORMAT,
    Recording,
    read_recording,
    recording_from_json,
    recording_from_text,
    recording_to_text,
    run_of_batches,
    run_of_events,
)
from tests.replay.conftest import record


def test_an_export_can_be_read_back(recording: Recording) -> None:
    read = recording_from_text(recording_to_text(recording))
    assert [run.batches for run in read.runs] == [run.batches for run in recording.runs]
    assert [run.number for run in read.runs] == [1]
    assert read.instance_id == "order-42"


def test_an_export_says_what_it_is(recording: Recording) -> None:
    exported = json.loads(recording_to_text(recording))
    assert exported["format"] == FORMAT == "nexus-history/1"
    assert exported["exported_by"].startswith("nexus-sdk ")
    assert (exported["instance"], exported["workflow"], exported["version"]) == ("order-42", "shop", "1")


async def test_all_runs_are_in_it(folder: Path) -> None:
    import shop

    recording = await record(shop, "rounds", 2, events=("a", "b", "c"))
    read = recording_from_text(recording_to_text(recording))
    assert [run.number for run in read.runs] == [1, 2, 3]
    assert read.run() is read.runs[-1]
    assert read.run(2).created.previous_run_id == read.runs[0].header.run_id
    with pytest.raises(InvalidArgument, match="no run 4 in this history of order-42") as refused:
        read.run(4)
    assert "1, 2, 3" in refused.value.hint


def test_a_bare_list_of_batches_is_one_run(recording: Recording) -> None:
    batches = [batch_to_json(batch) for batch in recording.run().batches]
    read = recording_from_json(batches)
    assert read.runs[0].batches == recording.run().batches
    assert read.runs[0].number == 1


def test_events_alone_are_a_run_without_turns(recording: Recording) -> None:
    run = recording.run()
    assert run_of_batches(run.batches).has_turns
    bare = run_of_events(run.events)
    assert bare.events == run.events
    assert not bare.has_turns


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(format="nexus-history/99"),
        lambda file: file.pop("format"),
        lambda file: file.update(runs=[]),
        lambda file: file.update(runs=None),
        lambda file: file["runs"][0].pop("batches"),
        lambda file: file["runs"][0].update(batches=[]),
        lambda file: file["runs"][0]["batches"].pop(0),
        lambda file: file["runs"][0]["batches"][1].pop("wire"),
        lambda file: file["runs"][0]["batches"][1].update(wire="!"),
        lambda file: file["runs"][0]["batches"][1].update(wire=file["runs"][0]["batches"][0]["wire"]),
    ],
)
def test_what_was_changed_is_refused(recording: Recording, change: Any) -> None:
    exported = json.loads(recording_to_text(recording))
    change(exported)
    with pytest.raises(HistoryCorruptedError):
        recording_from_json(exported)


def test_a_form_of_a_newer_version_says_upgrade(recording: Recording) -> None:
    exported = {**json.loads(recording_to_text(recording)), "format": "nexus-history/2"}
    with pytest.raises(HistoryCorruptedError, match="nexus-history/2") as refused:
        recording_from_json(exported)
    assert "upgrade" in refused.value.hint


@pytest.mark.parametrize("text", ["", "{", "3", "null", '["a"]', "[]", "[" * 100_000])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(HistoryCorruptedError):
        recording_from_text(text)


def test_a_file_that_is_not_there_or_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"no history to read at .*missing.json"):
        read_recording(tmp_path / "missing.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff")
    with pytest.raises(HistoryCorruptedError, match="is not JSON"):
        read_recording(tmp_path / "picture.json")
