"""From what is typed to files, and from file to file: nothing is imported, everything is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nexus_sdk.errors import InvalidArgument
from nexus_sdk.lint import lint
from tests.lint.conftest import Write

FLOW = """
from nexus_sdk import Context, workflow
from {place} import {name}

@workflow
async def flow(ctx: Context):
    yield ctx.sleep({name}())
"""
HELPER = """
import time

def late():
    return time.time()
"""


def found(*targets: str) -> list[tuple[str, int, str]]:
    return [(one.path, one.line, one.code) for one in lint(targets).findings]


@pytest.mark.parametrize("target", ["flows.py", "flows", "flows:flow", "."])
def test_a_target_is_a_file_a_module_or_a_folder(target: str, write: Write) -> None:
    write({"flows.py": FLOW.format(place="time", name="time")})
    assert found(target) == [("flows.py", 6, "NXL101")]


def test_a_target_that_names_nothing_is_the_users_mistake() -> None:
    for target in ("nowhere", "nowhere.py", "no such thing", ""):
        with pytest.raises(InvalidArgument, match="no file, no folder, and no module"):
            lint([target])


def test_a_file_is_linted_once_however_often_it_is_named(write: Write) -> None:
    write({"flows.py": FLOW.format(place="time", name="time")})
    assert len(found("flows.py", "flows", ".")) == 1


def test_nothing_is_imported(write: Write) -> None:
    write({"flows.py": "raise SystemExit\n" + FLOW.format(place="time", name="time")})
    assert len(found("flows")) == 1
    assert "flows" not in sys.modules


def test_helpers_are_followed_into_the_files_that_are_given(write: Write) -> None:
    write({"flows.py": FLOW.format(place="tools", name="late"), "tools.py": HELPER})
    assert found("flows.py", "tools.py") == [("tools.py", 4, "NXL101")]
    assert found("flows.py") == []
    assert found("tools.py") == []


@pytest.mark.parametrize(
    ("imported", "used"),
    [
        ("from shop.tools import late", "late"),
        ("from .tools import late", "late"),
        ("from . import tools", "tools.late"),
        ("import shop.tools", "shop.tools.late"),
        ("import shop.tools as t", "t.late"),
        ("from shop import late", "late"),
        ("from .tools import *", "late"),
    ],
)
def test_imports_in_a_package_are_followed(imported: str, used: str, write: Write) -> None:
    flow = (
        f"from nexus_sdk import workflow\n{imported}\n@workflow\nasync def flow(ctx):\n    yield ctx.sleep({used}())\n"
    )
    write({"src/shop/__init__.py": "from .tools import late\n", "src/shop/tools.py": HELPER, "src/shop/flows.py": flow})
    assert found("src") == [("src/shop/tools.py", 4, "NXL101")]


def test_what_is_imported_is_known_although_it_is_not_linted(write: Write) -> None:
    write(
        {
            "acts.py": "from nexus_sdk import activity\n@activity\ndef pay(): ...\n",
            "flows.py": """
                from nexus_sdk import workflow
                from acts import pay
                @workflow
                async def flow(ctx):
                    pay()
                """,
        }
    )
    assert found("flows.py") == [("flows.py", 5, "NXL401")]


def test_a_decorator_is_known_by_its_origin(write: Write) -> None:
    write(
        {
            "base.py": "from nexus_sdk import workflow as durable\n",
            "flows.py": """
                import time
                from base import durable
                @durable
                async def flow(c):
                    yield c.sleep(time.time())
                """,
        }
    )
    assert found("flows.py") == [("flows.py", 5, "NXL101")]


def test_a_module_of_ones_own_is_not_the_librarys(write: Write) -> None:
    write({"flows.py": FLOW.format(place="random", name="choice"), "random.py": "def choice(): ...\n"})
    assert found(".") == []


def test_imports_and_names_in_circles_are_no_trouble(write: Write) -> None:
    write(
        {
            "a.py": """
                from b import x
                from nexus_sdk import workflow
                y = x
                @workflow
                async def flow(ctx):
                    yield x()
                """,
            "b.py": "from a import y as x\nclass C(C):\n    def f(self): return self.g.f()\n",
        }
    )
    assert found(".") == []


def test_recursive_helpers_are_looked_at_once(write: Write) -> None:
    text = FLOW.format(place="time", name="time").replace("time())", "again())")
    write({"flows.py": text + "def again():\n    time()\n    return again()\n"})
    assert found("flows.py") == [("flows.py", 8, "NXL101")]


def test_a_file_that_is_no_python_is_told_and_the_others_are_linted(write: Write, folder: Path) -> None:
    write({"a.py": "def broken(:\n", "b.py": FLOW.format(place="time", name="time")})
    (folder / "c.py").write_bytes(b"x = '\xff'\n")
    (folder / "d.py").write_bytes(b"x = 0\0\n")
    (folder / "e.py").write_bytes(b"# coding: nonsense\n")
    report = lint(["."])
    assert [(one.path, one.code) for one in report.findings if one.path != "b.py"] == [
        (name, "NXL001") for name in ("a.py", "c.py", "d.py", "e.py")
    ]
    assert ("b.py", 6, "NXL101") in [(one.path, one.line, one.code) for one in report.findings]
    assert not report.is_readable
    assert report.findings[0].line == 1
    assert report.findings[0].column == 12


def test_folders_that_hold_no_code_of_ones_own_are_left_out(write: Write) -> None:
    text = FLOW.format(place="time", name="time")
    write({".venv/a.py": text, "node_modules/b.py": text, "__pycache__/c.py": text, "d/e.py": text, "f.txt": text})
    assert [path for path, _, _ in found(".")] == ["d/e.py"]


@pytest.mark.parametrize(
    ("end", "encoding"),
    [("\n", "utf-8"), ("\r\n", "utf-8"), ("\r", "utf-8"), ("\n", "utf-8-sig"), ("\n", "latin-1")],
)
def test_lines_and_columns_are_those_of_an_editor(end: str, encoding: str, folder: Path) -> None:
    text = f"# coding: {encoding}\n" + FLOW.lstrip().format(place="time", name="time").replace(
        "sleep(", "sleep('é' and "
    )
    (folder / "flows.py").write_bytes(text.replace("\n", end).encode(encoding))
    finding = lint(["flows.py"]).findings[0]
    assert (finding.line, finding.column, finding.end_column) == (7, 29, 35)
    assert finding.source == "    yield ctx.sleep('é' and time())"


def test_the_report_counts_files_and_names_workflows(write: Write) -> None:
    write({"a.py": FLOW.format(place="time", name="time"), "b.py": "x = 1\n"})
    report = lint(["."])
    assert (report.files, list(report.workflows), report.errors, report.warnings) == (2, ["flow"], 1, 0)
    assert report.findings[0].workflow == "flow"
