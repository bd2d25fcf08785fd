"""What lint says about each snippet: exactly this, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus_sdk.lint import lint
from nexus_sdk.lint.rules import RULES
from tests.lint.snippets import ABOVE, SNIPPETS

OF_LINT_ITSELF = {code for code in RULES if code < "NXL1"}


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_judged_rightly(name: str) -> None:
    text, expected = SNIPPETS[name]
    Path("flows.py").write_text(ABOVE + text, encoding="utf-8")
    above = ABOVE.count("\n")
    found = [(one.code, one.line - above, one.column) for one in lint(["flows.py"]).findings]
    assert found == expected, text


def test_every_rule_has_a_snippet_that_breaks_it() -> None:
    assert len(SNIPPETS) >= 80
    broken = {code for _, expected in SNIPPETS.values() for code, _, _ in expected}
    assert broken == set(RULES) - OF_LINT_ITSELF


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (
            "@workflow\nasync def flow(ctx: Context):\n    time.sleep(1)\n    yield ctx.complete()\n",
            "yield ctx.sleep(…)",
        ),
        ("@workflow\nasync def flow(ctx: Context):\n    time.sleep(1)\n", "await ctx.sleep(…)"),
        (
            "async def part(ctx):\n    time.sleep(1)\n\n@workflow\nasync def flow(ctx: Context):\n"
            "    await part(ctx)\n    yield ctx.complete()\n",
            "await ctx.sleep(…)",
        ),
    ],
    ids=["a generator yields", "a coroutine awaits", "a helper awaits"],
)
def test_what_is_written_instead_fits_the_function_it_stands_in(written: str, instead: str) -> None:
    Path("flows.py").write_text(f"import time\n{ABOVE}{written}", encoding="utf-8")
    (found,) = lint(["flows.py"]).findings
    assert found.replacement == instead
