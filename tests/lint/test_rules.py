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
