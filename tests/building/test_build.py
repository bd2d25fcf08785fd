"""From a program to a zip: what is in it, how large it is, and that it is the same again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from nexus_sdk.building.archive import Archive, Part
from nexus_sdk.building.build import _check_size, build
from nexus_sdk.building.own import own_files
from nexus_sdk.building.target import Target
from nexus_sdk.errors import BuildError
from tests.building.conftest import APP, MakeProgram
from tests.building.here import install_little


def test_two_builds_of_the_same_tree_are_byte_equal(
    make_program: MakeProgram, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_program({"app.py": "import helpers\n" + APP, "helpers.py": "x = {'a', 'b', 'c'}\n"})
    first = build(program, target, tmp_path / "first.zip", run=install_little)
    os.utime(program.root / "helpers.py", (0, 0))
    (program.root / "helpers.py").chmod(0o755)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    second = build(program, target, tmp_path / "there" / "second.zip", run=install_little)
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()
    (program.root / "helpers.py").write_text("x = 1\n")
    assert build(program, target, tmp_path / "third.zip", run=install_little).digest != first.digest


def test_an_artifact_has_the_project_ours_and_theirs_with_bytecode_that_is_used(
    make_program: MakeProgram, target: Target, tmp_path: Path
) -> None:
    archive = build(make_program({".env": "secret", "other.py": ""}), target, tmp_path / "a.zip", run=install_little)
    with zipfile.ZipFile(archive.path) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "task")
    assert {"app.py", "nexus_sdk/__init__.py", "nexus_aws/function.py", "msgpack/__init__.py"} <= names
    assert not names & {".env", "other.py"}
    assert not [name for name in names if name.startswith(("nexus_sdk/cli/", "nexus_sdk/testing/", "boto", "bin/"))]
    code = (
        "import sys; sys.dont_write_bytecode = True\nimport app, nexus_sdk.app\n"
        "print(app.__spec__.origin)\n"
        "import importlib.metadata as m; print(*(e.name for e in m.entry_points(group='nexus_sdk.providers')))"
    )
    (tmp_path / "task" / "app.py").touch()  # an unpacked file is newer than its bytecode, which counts all the same
    ran = subprocess.run(
        [sys.executable, "-S", "-v", "-c", code],
        cwd=tmp_path / "task",
        env={"PYTHONPATH": str(tmp_path / "task")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == [f"{tmp_path}/task/app.py", "dynamodb"]
    assert re.search(r"code object from '\S*/__pycache__/app\.cpython-\d+\.pyc'", ran.stderr)


def test_the_parts_add_up_and_the_largest_comes_first(
    make_program: MakeProgram, target: Target, tmp_path: Path
) -> None:
    archive = build(make_program(), target, tmp_path / "a.zip", run=install_little)
    assert {part.name for part in archive.parts} >= {"app", "nexus-sdk", "cloudpickle", "msgpack"}
    assert "other" not in {part.name for part in archive.parts}
    sizes = [part.packed_bytes for part in archive.parts]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(part.unpacked_bytes for part in archive.parts) == archive.unpacked_bytes
    assert 0 < sum(sizes) < archive.packed_bytes == archive.path.stat().st_size < 15_000_000


def test_for_another_python_there_is_no_bytecode(make_program: MakeProgram, target: Target, tmp_path: Path) -> None:
    other = replace(target, python="3.99")
    archive = build(make_program(), other, tmp_path / "a.zip", run=install_little)
    with zipfile.ZipFile(archive.path) as packed:
        assert not [name for name in packed.namelist() if name.endswith(".pyc")]


def test_what_is_imported_and_comes_with_nothing_is_told_with_its_place(
    make_program: MakeProgram, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_program({"app.py": APP + "import attr\n"})
    with pytest.raises(BuildError, match=r"app.py:13 imports 'attr'.*nothing that it requires") as told:
        build(program, target, tmp_path / "a.zip", run=install_little)
    assert "requirements.txt" in told.value.hint
    (program.root / "requirements.txt").write_text("attrs\n")
    assert "attrs" in {part.name for part in build(program, target, tmp_path / "a.zip", run=install_little).parts}


def test_a_file_that_stands_in_for_a_dependency_is_refused(
    make_program: MakeProgram, target: Target, tmp_path: Path
) -> None:
    program = make_program({"app.py": APP + "def f():\n    import cloudpickle\n", "cloudpickle/__init__.py": ""})
    with pytest.raises(BuildError, match="is in cloudpickle and in app"):
        build(program, target, tmp_path / "a.zip", run=install_little)


@pytest.mark.parametrize("limit", ["packed_bytes_max", "unpacked_bytes_max"])
def test_what_is_too_large_names_what_makes_it_so(target: Target, limit: str) -> None:
    parts = [Part("pydantic", 600_000, 3_000_000), Part("app", 500, 1_000)]
    archive = Archive(Path("a.zip"), "", 600_500, 3_001_000, parts)
    most = {"packed_bytes_max": 600_499, "unpacked_bytes_max": 3_000_999}
    _check_size(archive, replace(target, **{limit: most[limit] + 1}))
    with pytest.raises(BuildError, match="MB") as told:
        _check_size(archive, replace(target, **{limit: most[limit]}))
    assert told.value.hint.startswith("The largest parts, unpacked: pydantic 3.0 MB, app")


def test_what_the_project_mentions_of_ours_is_packed(target: Target) -> None:
    assert "nexus_sdk/testing/clock.py" not in own_files(target, set())
    files = own_files(target, {"nexus_sdk.testing.clock"})
    assert "nexus_sdk/testing/clock.py" in files
    assert not [name for name in files if name.startswith("nexus_sdk/cli/")]


@pytest.mark.slow
@pytest.mark.component
@pytest.mark.skipif(os.environ.get("NEXUS_REQUIRE_COMPONENTS") != "1", reason="asks an index of packages")
def test_pip_gives_wheels_of_another_machine(make_program: MakeProgram, target: Target, tmp_path: Path) -> None:
    wheels = tuple(wheel.replace("x86_64", "aarch64") for wheel in target.wheels)
    arm = replace(target, machine="aarch64", wheels=wheels)
    archive = build(make_program(), arm, tmp_path / "a.zip")
    with zipfile.ZipFile(archive.path) as packed:
        libraries = [name for name in packed.namelist() if name.endswith(".so")]
    assert libraries
    assert all("aarch64" in name for name in libraries)
    assert archive.packed_bytes < 15_000_000
