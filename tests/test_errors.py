"""The catalogue of errors and its page say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nexus_sdk import errors
from nexus_sdk.errors import Codes, NexusError

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "errors.md"
HEADING = re.compile(r"^### (NX\d{3}) (\w+)$", re.MULTILINE)


def test_the_reference_has_one_heading_per_code() -> None:
    headings = HEADING.findall(PAGE.read_text(encoding="utf-8"))
    assert len(headings) == len(dict(headings)), "a code has two headings"
    assert dict(headings) == {code: kind.__name__ for code, kind in Codes.all.items()}


def test_the_headings_are_in_order() -> None:
    codes = [code for code, _ in HEADING.findall(PAGE.read_text(encoding="utf-8"))]
    assert codes == sorted(codes)


@pytest.mark.parametrize("code", sorted(Codes.all))
def test_each_heading_says_how_to_mend_it(code: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = re.split(r"^##+ ", text.split(f"### {code} ", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    assert "**Mend:**" in section
    assert "```" in section, "an example is missing"


def test_no_two_classes_share_a_code() -> None:
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, NexusError)]
    assert len({kind.code for kind in kinds}) == len(set(kinds))


def test_an_error_tells_code_message_and_next_step() -> None:
    error = NexusError("it broke", hint="mend it", code="NX999")
    assert str(error) == "[NX999] it broke\nmend it"
    assert NexusError.code == "NX000"
