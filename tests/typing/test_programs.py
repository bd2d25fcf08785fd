"""What type checkers accept and reject: the programs beside this file, as mypy and pyright see them, both strict.

A program in `accepted` has no error. A program in `rejected` has errors on exactly the lines that are marked
``# E: mypy's code | pyright's rule``, and these are among them. basedpyright is pyright as a wheel: it brings its own
Node.js, and nothing is downloaded when it runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

import nexus_sdk
import nexus_sdk.testing
from tests.docs.pages import Page

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ACCEPTED = sorted(HERE.glob("accepted/*.py"))
REJECTED = sorted(HERE.glob("rejected/*.py"))
NAMES = [f"{path.parent.name}/{path.name}" for path in (*ACCEPTED, *REJECTED)]
MARK = re.compile(r"  # E: (?P<mypy>[\w-]+) \| (?P<pyright>\w+)$", re.MULTILINE)

PYTHON = "3.11"
"""The oldest that is supported: what it lacks must not be needed."""

PUBLIC = tuple(
    f"{getattr(package, name).__module__}.{name}"
    for package in (nexus_sdk, nexus_sdk.testing)
    for name in package.__all__
    if name != "__version__"
)
"""How the names begin that a user may import, and what is on them."""

Errors = Mapping[tuple[str, int], Mapping[str, str]]
"""By program and line: what is said, by rule."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def mypy() -> Errors:
    """The errors of one run over all programs. Its cache stays apart from that of `make types`: the options differ."""
    run = checker(
        "mypy",
        *("--config-file=", "--strict", f"--python-version={PYTHON}", "--output=json", "--no-error-summary"),
        "--explicit-package-bases",
        *("--cache-dir", str(ROOT / ".mypy_cache" / "programs"), *map(str, (*ACCEPTED, *REJECTED))),
    )
    assert not run.stderr, run.stderr
    errors: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for line in run.stdout.splitlines():
        said = json.loads(line)
        assert said["line"] > 0, said["message"]
        if said["severity"] == "error":
            errors[_name_of(said["file"]), said["line"]][said["code"]] = said["message"]
    return errors


@pytest.fixture(scope="module")
def pyright() -> Errors:
    """The errors of one run over all programs."""
    run = checker("basedpyright", "--project", str(HERE), "--pythonpath", sys.executable, "--outputjson")
    errors: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for said in json.loads(run.stdout)["generalDiagnostics"]:
        if said["severity"] == "error":
            errors[_name_of(said["file"]), said["range"]["start"]["line"] + 1][said["rule"]] = said["message"]
    return errors


def checker(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a type checker of this environment; without it the test is skipped, but not in continuous integration."""
    if find_spec(name) is None:
        missing = f"{name} is not installed here; `make setup` does it"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)


@pytest.mark.parametrize("name", NAMES)
def test_mypy_says_what_is_marked(name: str, mypy: Errors) -> None:
    _compare(name, mypy, "mypy")


@pytest.mark.parametrize("name", NAMES)
def test_pyright_says_what_is_marked(name: str, pyright: Errors) -> None:
    _compare(name, pyright, "pyright")


def test_every_rejected_program_is_marked() -> None:
    for path in REJECTED:
        lines = path.read_text(encoding="utf-8").splitlines()
        unread = [line for line in lines if "  # E" in line and not MARK.search(line)]
        assert not unread, unread
        assert any(MARK.search(line) for line in lines), path


def test_the_page_shows_what_mypy_says(mypy: Errors) -> None:
    page = Page(ROOT / "docs" / "how-to" / "type-check.md")
    program, shown = (block.text for block in page.blocks())
    assert program == MARK.sub("", (HERE / "rejected" / "orders.py").read_text(encoding="utf-8"))
    assert [line for line in shown.splitlines() if ": error:" in line] == [
        f"orders.py:{line}: error: {message}  [{rule}]"
        for (name, line), rules in sorted(mypy.items())
        if name == "rejected/orders.py"
        for rule, message in rules.items()
    ]


def test_every_public_type_is_known(tmp_path: Path) -> None:
    # pyright looks for packages where they are installed, and not where an editable install points to.
    (tmp_path / "nexus_sdk").symlink_to(ROOT / "nexus_sdk", target_is_directory=True)
    run = checker(
        "basedpyright",
        *("--verifytypes", "nexus_sdk", "--ignoreexternal", "--pythonpath", sys.executable, "--outputjson"),
        PYTHONPATH=str(tmp_path),
    )
    public = {
        symbol["name"]: symbol
        for symbol in json.loads(run.stdout)["typeCompleteness"]["symbols"]
        if symbol["isExported"] and symbol["name"].startswith(PUBLIC)
    }
    assert len(public) > 200
    for name, symbol in public.items():
        told = "; ".join(one["message"] for one in symbol["diagnostics"])
        # "Ambiguous" is a type that depends on an attribute without an annotation. Deep inside there are such.
        assert symbol["isTypeKnown"] or symbol["isTypeAmbiguous"], f"{name}: {told}"
        assert "missing type annotation" not in told, f"{name}: {told}"


def _compare(name: str, errors: Errors, checker_name: str) -> None:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    marked = {number: found[checker_name] for number, line in enumerate(lines, 1) if (found := MARK.search(line))}
    said = {line: rules for (program, line), rules in errors.items() if program == name}
    for line in said.keys() - marked.keys():
        pytest.fail(f"{name}:{line}: not expected: {_told(said[line])}\n    {lines[line - 1]}")
    for line, rule in marked.items():
        if rule not in said.get(line, {}):
            told = _told(said[line]) if line in said else "nothing is said"
            pytest.fail(f"{name}:{line}: expected {rule}: {told}\n    {lines[line - 1]}")


def _told(rules: Mapping[str, str]) -> str:
    return "; ".join(f"{rule}: {message}" for rule, message in rules.items())


def _name_of(file: str) -> str:
    path = Path(file)
    return f"{path.parent.name}/{path.name}"
