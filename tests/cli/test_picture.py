"""The picture of a history: pure text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nexus_sdk.cli.picture import ALIKE_MAX, Canvas, drawn, newest
from nexus_sdk.cli.spans import Kind, Outcome, Span

SECOND = 1_000_000
RUN = Span("", Kind.RUN, "fulfil", 0, 10 * SECOND, Outcome.DONE)


def lines_of(spans: list[Span], canvas: Canvas, now_us: int = 10 * SECOND) -> list[str]:
    drawing = drawn(spans, canvas, now_us=now_us)
    return ["".join(piece if isinstance(piece, str) else piece[0] for piece in line).rstrip() for line in drawing]


def test_bars_stand_where_the_time_went() -> None:
    half = Span("0", Kind.ACTIVITY, "charge", 0, 5 * SECOND, Outcome.DONE)
    rest = Span("1", Kind.TIMER, "sleep", 5 * SECOND, None, Outcome.OPEN, due_us=20 * SECOND)
    _, _, first, second = lines_of([RUN, half, rest], Canvas(100))
    begin, end = first.index("█"), first.rindex("█")
    assert second.index("─") == end + 1
    assert second.rindex("─") - second.index("─") == pytest.approx(end - begin, abs=1)
    assert "✓ 5.0 s" in first
    assert "… 5.0 s  until " in second


def test_a_moment_is_seen_however_short_it_was() -> None:
    blink = Span("0", Kind.ACTIVITY, "blink", 10 * SECOND - 1, 10 * SECOND, Outcome.DONE)
    assert lines_of([RUN, blink], Canvas(80))[-1].count("█") == 1


def test_the_reason_stands_below_and_a_pipe_has_all_of_it() -> None:
    failed = Span("0", Kind.ACTIVITY, "charge", 0, SECOND, Outcome.FAILED, reason="ValueError: " + "x" * 200)
    assert lines_of([RUN, failed], Canvas(60, is_cut=False))[-1].endswith("x" * 200)
    cut = lines_of([RUN, failed], Canvas(60))[-1]
    assert (cell_len(cut), cut[-1]) == (60, "…")


def test_what_is_alike_and_many_is_one_row() -> None:
    many = [Span(f"3.{n}", Kind.ACTIVITY, "label", n, n + SECOND, Outcome.DONE) for n in range(ALIKE_MAX + 1)]
    many[4].outcome, many[4].reason = Outcome.FAILED, "ValueError: four"
    *_, row, reason = lines_of([RUN, *many], Canvas(100))
    assert f"label ×{ALIKE_MAX + 1}" in row
    assert f"✗ 1.0 s  {ALIKE_MAX} done, 1 failed" in row
    assert reason.strip() == "└ 1 × ValueError: four"
    assert len(lines_of([RUN, *many], Canvas(100, is_whole=True))) == 2 + len(many) + 1


def test_a_few_have_a_row_each() -> None:
    few = [Span(f"3.{n}", Kind.ACTIVITY, "label", n, n + SECOND, Outcome.DONE) for n in range(ALIKE_MAX)]
    assert len(lines_of([RUN, *few], Canvas(100))) == 2 + len(few)


def test_ascii_says_the_same() -> None:
    spans = [RUN, *(Span(str(n), kind, kind, 0, SECOND, Outcome.FAILED, reason="no") for n, kind in enumerate(Kind))]
    lines = lines_of(spans, Canvas(40, is_unicode=False))
    assert "\n".join(lines).isascii()
    assert sum(" x" in line for line in lines) == len(Kind)


def test_names_give_way_on_a_very_narrow_terminal_and_the_bar_is_left_out() -> None:
    long = Span("0", Kind.ACTIVITY, "a_name_that_is_very_long_indeed", 0, SECOND, Outcome.DONE)
    lines = lines_of([RUN, long], Canvas(28))
    assert lines[-1] == "a_name_that_i…  ✓ 1.0 s"
    assert len(lines) == 2


def test_what_is_too_high_keeps_its_head_and_its_end() -> None:
    lines: list[Any] = [[str(number)] for number in range(10)]
    assert newest(lines, 10) == lines
    assert newest(lines, 6) == [["0"], ["1"], [("(5 lines more)", "dim")], ["7"], ["8"], ["9"]]
    assert all(len(newest(lines, high)) == high for high in range(1, 11))


def test_nothing_is_an_empty_picture() -> None:
    assert drawn([], Canvas(80), now_us=0) == []


_spans = st.builds(
    Span,
    path=st.lists(st.integers(0, 9999), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts))),
    kind=st.sampled_from(Kind),
    name=st.text("ab_字", min_size=1, max_size=40),
    start_us=st.integers(0, 10**15),
    end_us=st.none() | st.integers(10**15, 2 * 10**15),
    outcome=st.sampled_from(Outcome),
    reason=st.sampled_from(["", "ValueError: no"]),
    note=st.sampled_from(["", "order-1/4", "字字字"]),
)


@given(st.lists(_spans, min_size=1, max_size=20), st.integers(30, 200), st.booleans())
def test_no_line_is_wider_than_the_terminal(spans: list[Span], width: int, is_unicode: bool) -> None:
    for line in lines_of(spans, Canvas(width, is_unicode), now_us=3 * 10**15):
        assert cell_len(line) <= width
