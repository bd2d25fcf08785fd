"""The corpus of recorded histories: whatever was recorded, by whichever released form, replays with today's code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.core.history import FORMAT
from nexus_sdk.replay.player import play
from nexus_sdk.replay.recorded import FORMAT as EXPORT_FORMAT
from nexus_sdk.replay.recorded import RecordedRun, read_recording
from nexus_sdk.testing import assert_replays
from tests.recorded.record import CORPUS, editions_of, lines_of, review
from tests.recorded.scenes import SAMPLES, SCENES, Scene

FILES = sorted(CORPUS.glob("format-*/*/*.json"))
BY_NAME = {scene.name: scene for scene in SCENES}


def scene_of(path: Path) -> Scene:
    return BY_NAME[path.parent.name]


def code_of(scene: Scene, run: RecordedRun) -> Workflow[Any, Any]:
    """The workflow that serves a run today."""
    workflows, _ = scene.served()
    created = run.created
    return next(one for one in workflows if (one.name, one.version) == (created.workflow, created.version))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}/{path.stem}")
def test_what_was_recorded_replays(path: Path) -> None:
    scene = scene_of(path)
    codec = scene.codec or MsgpackCodec()
    for run in read_recording(path).runs:
        workflow = code_of(scene, run)
        assert_replays(workflow, path, run=run.number, codec=codec, strict=True)
        played = play(workflow, run, codec)
        assert (played.error, played.warnings) == (None, [])
        assert played.reached == len(run.events)


def test_every_kind_of_event_is_in_it() -> None:
    found = {type(event) for path in FILES for run in read_recording(path).runs for event in run.events}
    assert set(e.KINDS.values()) - found == {e.LookRequested}  # never part of a history


def test_every_sample_is_in_it() -> None:
    samples = {path.parent.name for path in SAMPLES.glob("*/README.md")}
    assert samples <= {path.parent.name for path in FILES}
    assert samples <= {scene.module for scene in SCENES}


def test_the_present_forms_are_in_it() -> None:
    assert (CORPUS / f"format-{FORMAT}").is_dir()
    assert EXPORT_FORMAT in {json.loads(path.read_text(encoding="utf-8"))["format"] for path in FILES}
    for path in FILES:
        formats = {batch.header.format for run in read_recording(path).runs for batch in run.batches}
        assert path.parent.parent.name in {f"format-{one}" for one in formats}


def test_histories_tell_nothing_of_the_machine_they_were_made_on() -> None:
    for path in FILES:
        codec = scene_of(path).codec or MsgpackCodec()
        text = path.read_text(encoding="utf-8") + "\n".join(lines_of(read_recording(path), codec))
        assert str(Path.home()) not in text
        assert str(SAMPLES.parent) not in text


@pytest.mark.parametrize("name", ["hello", "fan_out_fan_in", "rewound"])
async def test_what_is_recorded_today_is_what_is_there(name: str) -> None:
    assert await review(BY_NAME[name], is_accepted=False) == []


async def test_what_is_new_is_shown_and_kept_only_when_it_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = BY_NAME["hello"]
    monkeypatch.setattr("tests.recorded.record.CORPUS", tmp_path)
    said = await review(scene, is_accepted=False)
    assert said[0] == "new: format-1/hello/hello.json (not kept yet)"
    assert any("ActivityScheduled" in line and "find_name" in line for line in said)
    assert editions_of(scene, "hello") == []
    await review(scene, is_accepted=True)
    assert await review(scene, is_accepted=False) == []
    (first,) = editions_of(scene, "hello")
    kept = first.read_bytes()

    other = Scene("hello", BY_NAME["decisions"].acts)
    said = await review(other, is_accepted=True)
    assert said[0].startswith("new: format-1/hello/decisions.json")
    waiting = Scene("hello", _hello_by_another_name, "hello")
    said = await review(waiting, is_accepted=True)
    assert said[0] == "another history: format-1/hello/hello~2.json (kept)"
    assert any(line.startswith("-") and "World" in line for line in said)
    assert any(line.startswith("+") and "Ada" in line for line in said)
    assert first.read_bytes() == kept
    assert len(editions_of(scene, "hello")) == 2


async def _hello_by_another_name(env: Any) -> None:
    import hello

    await env.run(hello.hello, "Ada", id="hello")
