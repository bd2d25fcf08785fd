"""`nexus lint` as it is typed: what is shown, the forms for machines, and the exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from nexus_sdk.cli.app import app
from nexus_sdk.lint.rules import RULES, Severity
from tests.docs.pages import ROOT, Page, commands_of
from tests.lint.conftest import Write

Nexus = Callable[..., Result]

PAGE = Page(ROOT / "docs" / "reference" / "lint.md")
FLOW = """
import time
from nexus_sdk import Context, workflow

@workflow
async def flow(ctx: Context):
{}
    yield ctx.sleep(1)
"""
ERROR = FLOW.format("\tx = '日本' and time.time()").replace("    yield", "\tyield")
WARNING = FLOW.format("    print('x')")
FINE = FLOW.format("    x = ctx.now()")


@pytest.fixture
def nexus() -> Nexus:
    """Types a command."""
    return lambda *words: CliRunner().invoke(app, ["lint", *words], catch_exceptions=False)


@pytest.mark.parametrize(
    ("files", "words", "code"),
    [
        ({"a.py": FINE}, ["a.py"], 0),
        ({"a.py": ERROR}, ["a.py"], 1),
        ({"a.py": ERROR}, ["a.py", "--ignore", "NXL101"], 0),
        ({"a.py": ERROR}, ["a.py", "--select", "NXL2,NXL3"], 0),
        ({"a.py": ERROR}, ["a.py", "--select", "NXL2,NXL1"], 1),
        ({"a.py": WARNING}, ["a.py"], 0),
        ({"a.py": WARNING}, ["a.py", "--strict"], 1),
        ({"a.py": FINE, "b.py": "def\n"}, ["."], 2),
        ({"a.py": ERROR, "b.py": "def\n"}, ["."], 2),
        ({"a.py": FINE}, ["b.py"], 2),
        ({"a.py": FINE}, ["a.py", "--select", "E501"], 2),
        ({"a.py": FINE}, ["a.py", "--json", "--sarif"], 2),
        ({"a.py": FINE}, [], 2),
        ({"a.txt": "x"}, ["."], 0),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_exit_code(
    files: dict[str, str], words: list[str], code: int, form: list[str], write: Write, nexus: Nexus
) -> None:
    write(files)
    done = nexus(*words, *form)
    assert done.exit_code == code, done.output


def test_a_usage_error_has_a_code(nexus: Nexus) -> None:
    refused = nexus("nowhere")
    assert (refused.stdout, "[NX321]" in refused.stderr, "For example" in refused.stderr) == ("", True, True)
    assert json.loads(nexus("nowhere", "--json").stderr)["error"]["code"] == "NX321"


def test_a_finding_is_shown_with_its_line_and_what_to_write(write: Write, nexus: Nexus) -> None:
    write({"a.py": ERROR})
    assert nexus("a.py").stdout.splitlines() == [
        "a.py:6:15: NXL101 time.time(…): the clock has moved on when this is replayed",
        "  |",
        "6 | \tx = '日本' and time.time()",
        "  | \t             " + "  " + "^" * 11,
        "  = instead: ctx.now().timestamp()  (in workflow flow)",
        "",
        "1 error and 0 warnings",
    ]
    write({"a.py": FINE})
    assert nexus("a.py").stdout == "Nothing found: 1 workflow in 1 file.\n"


def test_a_file_that_is_no_python_is_shown_where_it_breaks(write: Write, nexus: Nexus) -> None:
    write({"a.py": "x = 1\ndef broken(:\n"})
    assert nexus("a.py").stdout.startswith("a.py:2:12: NXL001 this file: it cannot be read as Python: ")


def test_a_strange_line_cannot_command_the_terminal(write: Write, nexus: Nexus) -> None:
    write({"a.py": ERROR.replace("日本", "\x1b[2J\u202e")})
    assert not re.search("[\x1b\u202e]", nexus("a.py").stdout)


def test_json_is_what_is_documented(write: Write, nexus: Nexus) -> None:
    schema = json.loads((ROOT / "docs" / "reference" / "cli.schema.json").read_text(encoding="utf-8"))
    write({"a.py": ERROR, "b.py": WARNING, "c.py": "def\n"})
    said = json.loads(nexus(".", "--json").stdout)
    Draft202012Validator({"$ref": "#/$defs/lint", "$defs": schema["$defs"]}).validate(said)
    assert [(one["path"], one["code"], one["severity"], one["workflow"]) for one in said["findings"]] == [
        ("a.py", "NXL101", "error", "flow"),
        ("b.py", "NXL701", "warning", "flow"),
        ("c.py", "NXL001", "error", None),
    ]
    assert (said["files"], said["workflows"], said["errors"], said["warnings"]) == (3, ["flow", "flow"], 2, 1)


def test_sarif_has_what_a_scanner_needs(write: Write, nexus: Nexus) -> None:
    write({"a b.py": ERROR, "b.py": "def\n"})
    log = json.loads(nexus(".", "--sarif").stdout)
    Draft202012Validator(SARIF).validate(log)
    run = log["runs"][0]
    (result,) = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "NXL101"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.py"
    assert place["region"] == {"startLine": 6, "startColumn": 15, "endLine": 6, "endColumn": 26}
    assert "ctx.now()" in result["message"]["text"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["descriptor"]["id"] for note in invocation["toolExecutionNotifications"]] == ["NXL001"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colour_is_for_terminals_that_want_it(no_colour: str, write: Write, folder: Path) -> None:
    write({"a.py": ERROR})
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_colour, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from nexus_sdk.cli import main; main()", "lint", "a.py"]
    subprocess.run(command, stdout=theirs, stderr=theirs, cwd=folder, env=environment, check=False)
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    os.close(ours)
    assert b"NXL101" in said
    assert (b"\x1b[1;31m" in said) is (not no_colour)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux: the other side is closed
        return b""


# --- the page, and the hook -------------------------------------------------------------------------------------------


def test_the_page_lists_every_rule() -> None:
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.prose().splitlines() if line.startswith("| NXL")]
    listed = [tuple(cell.strip().replace("\\|", "|") for cell in row) for row in rows]
    warning = {Severity.WARNING: " (warning)", Severity.ERROR: ""}
    expected = [(r.code, f"{r.name}{warning[r.severity]}", r.reason, r.replacement) for r in RULES.values()]
    assert [tuple(cell.replace("`", "") for cell in row) for row in listed] == [
        tuple(cell.replace("`", "") for cell in row) for row in expected
    ]
    assert list(RULES) == sorted(RULES)


def test_the_page_shows_what_lint_says(folder: Path, nexus: Nexus) -> None:
    program = next(block for block in PAGE.blocks() if block.kind == "python")
    shown = next(command for block in PAGE.blocks() if block.kind == "console" for command in commands_of(block))
    (folder / "orders.py").write_text(program.text, encoding="utf-8")
    assert nexus("orders.py").stdout.splitlines() == list(shown.shown)


def test_the_hook_installs_what_the_command_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    needed = re.search(r"additional_dependencies: (\[.*\])", hook)
    assert needed is not None
    assert json.loads(needed[1]) == project["optional-dependencies"]["cli"]
    assert "entry: nexus lint\n" in hook
    assert "nexus" in project["scripts"]


def test_lint_loads_no_part_that_runs_workflows(write: Write) -> None:
    write({"a.py": ERROR})
    code = (
        "import sys\nfrom nexus_sdk.lint import lint\nassert lint(['a.py']).errors == 1\n"
        "print(*{'asyncio', 'sqlite3', 'pydantic', 'nexus_sdk.app', 'nexus_sdk.core.execution'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert said.stdout == "\n"


SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "properties": {
                                    "rules": {"items": {"$ref": "#/$defs/rule"}, "uniqueItems": True},
                                    "semanticVersion": {"type": "string"},
                                },
                            }
                        },
                    },
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                    "invocations": {
                        "type": "array",
                        "items": {
                            "required": ["executionSuccessful"],
                            "properties": {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {"items": {"$ref": "#/$defs/notification"}},
                            },
                        },
                    },
                },
            },
        },
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "rule": {
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "name": {"type": "string", "pattern": "^[A-Za-z]+$"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {"properties": {"level": {"$ref": "#/$defs/level"}}},
            },
        },
        "location": {
            "required": ["physicalLocation"],
            "properties": {
                "physicalLocation": {
                    "required": ["artifactLocation", "region"],
                    "properties": {
                        "artifactLocation": {"required": ["uri"], "properties": {"uri": {"pattern": "^[^ ]+$"}}},
                        "region": {
                            "required": ["startLine"],
                            "additionalProperties": {"type": "integer", "minimum": 1},
                        },
                    },
                }
            },
        },
        "result": {
            "required": ["message", "ruleId", "ruleIndex", "level", "locations"],
            "properties": {
                "message": {"$ref": "#/$defs/message"},
                "level": {"$ref": "#/$defs/level"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "locations": {"items": {"$ref": "#/$defs/location"}},
            },
        },
        "notification": {
            "required": ["message"],
            "properties": {
                "message": {"$ref": "#/$defs/message"},
                "level": {"$ref": "#/$defs/level"},
                "descriptor": {"required": ["id"]},
                "locations": {"items": {"$ref": "#/$defs/location"}},
            },
        },
    },
}
"""The parts of the SARIF 2.1.0 schema that a log of lint uses, with their constraints."""
