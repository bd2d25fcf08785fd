"""Code edits, each told safe or unsafe by hand: the verdict, the guess and the words."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from nexus_sdk import NonDeterminismError
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec.values import MsgpackCodec
from nexus_sdk.replay.explanation import Explanation, explain
from nexus_sdk.replay.player import Played, play
from nexus_sdk.replay.recorded import RecordedRun, load_recording
from nexus_sdk.testing import WorkflowEnvironment, assert_replays
from tests.replay.edits import EDITS, Edit, source

CODEC = MsgpackCodec()


def module_of(text: str, folder: Path, name: str) -> ModuleType:
    """A module of this text, whose file is always called flow.py."""
    path = folder / name / "flow.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    linecache.checkcache(str(path))
    spec = importlib.util.spec_from_file_location(f"edited_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


async def recorded(module: ModuleType, edit: Edit) -> RecordedRun:
    definitions = list(vars(module).values())
    workflows = [one for one in definitions if isinstance(one, Workflow)]
    activities = [one for one in definitions if isinstance(one, Activity)]
    async with WorkflowEnvironment(workflows, activities) as env:
        handle = await env.start(module.flow, 5, id="order-42")
        for name, value in edit.events:
            await handle.send_event(name, value)
        await env.run_until_idle()
        return (await load_recording(env.app.store, handle.id)).run()


@pytest.fixture
async def played(edit: Edit, tmp_path: Path) -> tuple[Workflow, Played]:
    run = await recorded(module_of(source(edit.before), tmp_path, "before"), edit)
    assert play(module_of(source(edit.before), tmp_path, "again").flow, run, CODEC).error is None
    flow = module_of(source(edit.after), tmp_path, "after").flow
    return flow, play(flow, run, CODEC)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_is_judged_and_told(edit: Edit, played: tuple[Workflow, Played]) -> None:
    flow, came = played
    told = [warned.text for warned in came.warnings]
    if edit.verdict == "unsafe":
        assert came.error is not None
        if edit.change is not None:
            assert isinstance(came.error, NonDeterminismError)
            explanation = explain(flow, came, CODEC)
            _check_explained(edit, explanation)
            told = explanation.lines()
        else:
            told = [str(came.error)]
    else:
        assert came.error is None, came.error
        assert came.reached == len(came.run.events)
        assert bool(told) == (edit.verdict == "warned"), told
    for phrase in edit.phrases:
        assert phrase in "\n".join(told), "\n".join(told)


def _check_explained(edit: Edit, explanation: Explanation) -> None:
    said = "\n".join(explanation.lines())
    assert explanation.guesses[0].change is edit.change, said
    assert sum(pair.is_first for pair in explanation.pairs) == 1, said
    assert "->" in said
    assert "flow.py:" in said
    assert 'version="2"' in said


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_production_and_tests_judge_alike(edit: Edit, played: tuple[Workflow, Played]) -> None:
    flow, came = played
    if came.error is None:
        assert_replays(flow, came.run.batches)
        if edit.verdict == "warned":
            with pytest.raises(NonDeterminismError, match="with another"):
                assert_replays(flow, came.run.batches, strict=True)
        else:
            assert_replays(flow, came.run.batches, strict=True)
        return
    with pytest.raises(type(came.error)) as raised:
        assert_replays(flow, came.run.batches)
    if edit.change is not None:
        assert "To mend it:" in str(raised.value)


def test_there_are_enough_of_each() -> None:
    assert len(EDITS) >= 40
    assert Counter(edit.verdict for edit in EDITS).keys() == {"safe", "warned", "unsafe"}
    assert len({edit.name for edit in EDITS}) == len(EDITS)
