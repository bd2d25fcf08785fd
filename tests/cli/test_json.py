"""What is printed with --json is what the documented schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nexus_sdk.cli.app import COMMANDS

Nexus = Any
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "cli.schema.json").read_text(encoding="utf-8"))


def check(name: str, said: Any) -> None:
    """Hold a value to the schema of this name."""
    Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}).validate(said)


@pytest.fixture
def lived(nexus: Nexus) -> None:
    """One that completed, one that failed, one that waits."""
    nexus("run", "orders:fulfil", "--input", '["x"]', "--id", "done")
    nexus("run", "orders:fulfil", "--input", '["x", 500]', "--id", "failed")
    nexus("start", "orders:approval", "--id", "waits")


def test_the_schema_is_one_and_has_every_command() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$defs"].keys() >= COMMANDS.keys()


def test_a_value_of_another_form_would_be_refused() -> None:
    for name in COMMANDS:
        assert not Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}).is_valid({"other": 1})


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    "words",
    [
        ["run", "orders:fulfil", "--id", "done"],
        ["run", "orders:fulfil", "--id", "failed"],
        ["run", "orders:foreign", "--id", "blocked"],
        ["start", "orders:approval", "--id", "new"],
        ["start", "orders:fulfil", "--id", "newer", "--input", '["x"]'],
        ["list"],
        ["list", "--limit", "1"],
        ["list", "--count"],
        ["show", "done"],
        ["show", "failed"],
        ["show", "waits"],
        ["history", "done"],
        ["history", "failed"],
        ["event", "waits", "approved", "true"],
        ["event", "waits", "approved", "true", "--event-id", "click"],
        ["query", "waits", "asked", "--app", "orders"],
        ["cancel", "waits"],
        ["terminate", "waits"],
        ["suspend", "waits"],
        ["resume", "waits"],
        ["rewind", "failed"],
        ["purge", "done"],
        ["purge", "done", "--dry-run"],
        ["purge", "--status", "failed", "--yes"],
        ["doctor"],
        ["doctor", "--all"],
        ["doctor", "--history", "done"],
    ],
    ids=" ".join,
)
def test_what_a_command_prints_is_what_is_documented(nexus: Nexus, words: list[str]) -> None:
    done = nexus(*words, "--json")
    check(words[0], json.loads(done.stdout))


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["show", "nobody"], 1),
        (["history", "nobody"], 1),
        (["event", "done", "approved"], 1),
        (["cancel", "done"], 1),
        (["rewind", "done"], 1),
        (["purge", "waits"], 1),
        (["start", "orders:fulfil", "--id", "done", "--input", '["y"]'], 1),
        (["query", "waits", "nothing", "--app", "orders"], 1),
        (["list", "--cursor", "bad"], 2),
        (["list", "--limit", "none"], 2),
        (["list", "--no-such-option"], 2),
        (["show"], 2),
        (["lsit"], 2),
        (["run", "orders:nothing"], 2),
        (["run", "orders:fulfil", "--input", "{"], 2),
        (["worker", "nothing"], 2),
        (["purge"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_error_is_json_on_stderr_and_nothing_is_on_stdout(nexus: Nexus, words: list[str], code: int) -> None:
    refused = nexus(*words, "--json")
    assert (refused.exit_code, refused.stdout) == (code, "")
    check("error", json.loads(refused.stderr))


def test_an_error_in_the_users_module_comes_with_its_traceback(nexus: Nexus, folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    said = json.loads(nexus("run", "broken:x", "--json").stderr)
    check("error", said)
    assert "ZeroDivisionError" in said["error"]["evidence"]
