"""``# nexus: ignore[CODE] reason``: what is suppressed, and what is wrong with a suppression."""

from __future__ import annotations

import pytest

from nexus_sdk.errors import InvalidArgument
from nexus_sdk.lint import lint
from tests.lint.conftest import Write

FLOW = (
    "import time\nfrom nexus_sdk import workflow\n@workflow\nasync def flow(ctx):\n    x = {}\n    yield ctx.sleep(x)\n"
)


def said(line: str, write: Write, **options: list[str]) -> list[tuple[str, int, int]]:
    write({"flows.py": FLOW.format(line)})
    return [(one.code, one.line, one.column) for one in lint(["flows.py"], **options).findings]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("time.time()  # nexus: ignore[NXL101] only shown", []),
        ("time.time()  #nexus:ignore[nxl101]because", []),
        ("time.time()  # noqa: X # nexus: ignore[NXL101] only shown", []),
        ("time.time() + print()  # nexus: ignore[NXL101, NXL701] only shown", []),
        ("(time.\n  time())  # nexus: ignore[NXL101] at the end of what it suppresses", []),
        ("time.time()  # nexus: ignore[NXL102] only shown", [("NXL101", 5, 9), ("NXL004", 5, 22)]),
        ("time.time()  # nexus: ignore[NXL101]", [("NXL101", 5, 9), ("NXL002", 5, 22)]),
        ("time.time()  # nexus: ignore", [("NXL101", 5, 9), ("NXL002", 5, 22)]),
        ("time.time()  # nexus: ignore everything", [("NXL101", 5, 9), ("NXL002", 5, 22)]),
        ("time.time()  # nexus: ignore[NXL999] who knows", [("NXL101", 5, 9), ("NXL003", 5, 22)]),
        ("5  # nexus: ignore[NXL101] nothing here", [("NXL004", 5, 12)]),
        ("'# nexus: ignore[NXL101] a text'", []),
        ("5  # nexus: ignored things", []),
    ],
)
def test_a_suppression_names_its_codes_and_its_reason_and_is_needed(
    line: str, expected: list[tuple[str, int, int]], write: Write
) -> None:
    assert said(line, write) == expected


def test_codes_are_selected_and_ignored_by_their_beginnings(write: Write) -> None:
    line = "time.time() + print()"
    assert said(line, write, select=["NXL1"]) == [("NXL101", 5, 9)]
    assert said(line, write, select=["nxl701"]) == [("NXL701", 5, 23)]
    assert said(line, write, ignore=["NXL7"]) == [("NXL101", 5, 9)]
    assert said(line, write, select=["NXL1", "NXL7"], ignore=["NXL101"]) == [("NXL701", 5, 23)]
    for options in ({"select": ["E501"]}, {"ignore": ["NXL9"]}, {"select": [""]}):
        with pytest.raises(InvalidArgument, match="no rule is called"):
            said(line, write, **options)


def test_a_suppression_of_what_is_not_looked_for_is_not_called_unused(write: Write) -> None:
    line = "time.time()  # nexus: ignore[NXL101] only shown"
    assert said(line, write, ignore=["NXL101"]) == []
    assert said(line, write, select=["NXL7", "NXL0"]) == []


def test_a_file_that_cannot_be_read_is_told_whatever_is_selected(write: Write) -> None:
    write({"flows.py": "def\n"})
    assert [one.code for one in lint(["flows.py"], select=["NXL1"]).findings] == ["NXL001"]
