"""Lint never crashes: every function of many real files is judged as if it were a workflow."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus_sdk.lint import lint
from nexus_sdk.lint.checks import check, check_activity
from nexus_sdk.lint.project import Project
from nexus_sdk.lint.reach import Code
from nexus_sdk.lint.resolver import Resolver
from nexus_sdk.lint.rules import RULES
from nexus_sdk.lint.values import Function
from tests.docs.pages import ROOT
from tests.lint.snippets import SNIPPETS

STDLIB = Path(sysconfig.get_path("stdlib"))
LIBRARY = [*sorted(STDLIB.glob("*.py"))[::6], *sorted(STDLIB.glob("asyncio/*.py"))[::3], STDLIB / "dataclasses.py"]
GRAMMAR = [path for name in ("test_grammar", "test_patma", "test_fstring") for path in STDLIB.glob(f"test/{name}.py")]
OURS = sorted(ROOT.glob("nexus_sdk/**/*.py"))[::4]


@pytest.mark.parametrize("path", [*LIBRARY, *GRAMMAR, *OURS], ids=lambda path: path.name)
def test_every_function_of_a_file_can_be_judged(path: Path) -> None:
    project = Project([str(path)])
    resolver, inside = Resolver(project), set()
    for source in project.given:
        functions = [node for node in source.scopes.at if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        inside.update(functions)
        for node in functions:
            code = Code(Function(source, node), "any", resolver, inside)
            for finding in (*check(code), *check_activity(code)):
                assert finding.code in RULES
                assert (finding.line, finding.column) < (finding.end_line, finding.end_column)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([text for text, _ in SNIPPETS.values()]), st.data())
def test_a_file_that_is_being_typed_can_be_linted(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("typed") / "flows.py"
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    path.write_text(text[:begin] + data.draw(st.text(max_size=5)) + text[end:], "utf-8", "surrogatepass")
    assert lint([str(path)]).files == 1


@pytest.mark.parametrize(
    "text", ["x = " + "(" * 5_000, "x = " + "-" * 20_000 + "1", "x = " + "1+" * 5_000 + "1", "f" + "()" * 900]
)
def test_deep_expressions_are_no_trouble(text: str, folder: Path) -> None:
    body = text.replace("x = ", "    x = ") if text.startswith("x") else f"    {text}"
    head = "from nexus_sdk import workflow\n@workflow\nasync def flow(ctx):\n"
    (folder / "flows.py").write_text(f"{head}{body}\n    yield charge(x)\n", encoding="utf-8")
    assert lint(["flows.py"]).files == 1
