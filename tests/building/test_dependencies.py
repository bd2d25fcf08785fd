"""Installing for a platform: the command, what is kept of it, and how a refusal is told."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nexus_sdk.building import dependencies
from nexus_sdk.building.dependencies import command_of, install
from nexus_sdk.building.requirements import Requirements
from nexus_sdk.building.target import Target
from nexus_sdk.errors import BuildError
from tests.building.here import install_from_here


def test_only_wheels_of_the_platform_are_asked_for(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    words = command_of(replace(target, python="3.13"), Path("r.txt"), tmp_path)
    assert words[1:4] == ["-m", "pip", "install"]
    assert "--only-binary=:all:" in words
    assert words[words.index("--python-version") + 1] == "3.13"
    assert [words[i + 1] for i, word in enumerate(words) if word == "--platform"] == list(target.wheels)


def test_uv_does_it_where_it_is(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/uv")
    words = command_of(target, Path("r.txt"), tmp_path)
    assert words[:3] == ["/bin/uv", "pip", "install"]
    assert words[words.index("--python-platform") + 1] == "x86_64-manylinux_2_34"


def test_with_neither_it_is_said(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise dependencies.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(dependencies.metadata, "version", missing)
    with pytest.raises(BuildError, match="Neither uv nor pip"):
        command_of(target, Path("r.txt"), tmp_path)


def test_what_tells_of_the_installation_and_what_the_platform_has_is_not_kept(target: Target, tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    required = Requirements(("cloudpickle", "jmespath", "build"), "requirements.txt")
    owners = install(required, replace(target, provided=frozenset({"jmespath"})), stage, run=install_from_here)
    assert owners["cloudpickle/__init__.py"] == "cloudpickle"
    assert (stage / "cloudpickle" / "__init__.py").is_file()
    left = {path.name for path in stage.rglob("*") if path.is_file()}
    assert not left & {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    assert {"METADATA"} <= left
    assert not [path for path in stage.iterdir() if path.name.startswith("jmespath")]
    assert not (stage / "bin").exists()
    assert set(owners.values()) >= {"cloudpickle", "build", "packaging"}  # what they require comes, too


def test_what_has_no_wheel_is_named(target: Target, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"nothing-of-this-name \(requirements.txt\) has no wheel") as told:
        install(Requirements(("nothing-of-this-name",), "requirements.txt"), target, tmp_path, run=install_from_here)
    assert "x86_64" in told.value.message


def test_any_other_refusal_shows_what_the_installer_said(target: Target, tmp_path: Path) -> None:
    def refuse(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "\n".join(f"line {n}" for n in range(40)) + "\n[notice] x\n")

    with pytest.raises(BuildError, match=r"what nexus-sdk requires") as told:
        install(Requirements(("x",), ""), target, tmp_path / "stage", run=refuse)
    assert told.value.hint.splitlines()[-1] == "line 39"
    assert len(told.value.hint.splitlines()) == dependencies.SAID_LINES_MAX


def test_a_program_that_requires_nothing_needs_no_installer(target: Target, tmp_path: Path) -> None:
    assert install(Requirements((), ""), target, tmp_path / "stage") == {}
