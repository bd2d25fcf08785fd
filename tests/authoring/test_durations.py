"""Durations, moments and instance ids as users write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nexus_sdk import InvalidArgument
from nexus_sdk.authoring.duration import LONGEST_US, datetime_of, moment_us, optional_us, text_of, to_us
from nexus_sdk.authoring.ids import check_instance_id

S = 1_000_000


@pytest.mark.parametrize(
    ("written", "us"),
    [
        (0, 0),
        (1, S),
        (90, 90 * S),
        (0.5, S // 2),
        (1e-6, 1),
        (1e-9, 0),
        (True + 0, S),
        (timedelta(), 0),
        (timedelta(minutes=1, microseconds=1), 60 * S + 1),
        (timedelta(days=2), 172_800 * S),
        ("0s", 0),
        ("500ms", S // 2),
        ("250us", 250),
        ("1s", S),
        ("1.5s", 3 * S // 2),
        ("90m", 5_400 * S),
        ("1h30m", 5_400 * S),
        ("1h 30m", 5_400 * S),
        (" 1 h ", 3_600 * S),
        ("1H30M", 5_400 * S),
        ("2d", 172_800 * S),
        ("1w2d", 777_600 * S),
        ("0.1s", 100_000),
        ("36500d", 36_500 * 86_400 * S),
    ],
)
def test_durations_that_are_understood(written: Any, us: int) -> None:
    assert to_us(written, "sleep") == us


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "5", "1h30", "h", "-5s", "+5s", "1 fortnight", "1s;", "1..5s", "1e3s", "s1", "9" * 400 + "s"),
        *(-1, -0.5, timedelta(seconds=-1), float("nan"), float("inf"), 1e308, -1e308, 10**400, True, False),
        *(None, [], {}, object(), b"1s", 1j, timedelta.max, "101y", LONGEST_US),
    ],
)
def test_durations_that_make_no_sense(written: Any) -> None:
    with pytest.raises(InvalidArgument, match="sleep"):
        to_us(written, "sleep")


def test_none_is_none_where_that_is_allowed() -> None:
    assert optional_us(None, "timeout") is None
    assert optional_us("1s", "timeout") == S


@pytest.mark.parametrize("us", [0, 1, 999, 1_000, S, 61 * S, 5_400 * S, 90_061 * S + 1_001, LONGEST_US])
def test_a_duration_written_out_reads_back(us: int) -> None:
    assert to_us(text_of(us), "x") == us


@pytest.mark.parametrize(
    "when",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1950, 6, 1, 12, tzinfo=UTC),
        datetime(2030, 1, 1, 1, 2, 3, 456_789, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_a_moment_is_exact_to_the_microsecond(when: datetime) -> None:
    assert datetime_of(moment_us(when, "x")) == when


@pytest.mark.parametrize("when", [datetime(2030, 1, 1), "2030-01-01", 5, None])
def test_a_moment_needs_a_time_zone(when: Any) -> None:
    with pytest.raises(InvalidArgument, match="sleep_until"):
        moment_us(when, "sleep_until")


@pytest.mark.parametrize("id", ["a", "order-42", "Bestellung ü/1", "x" * 256, "nexus", "a:b", "日本", "a b"])
def test_instance_ids_that_are_taken(id: str) -> None:
    assert check_instance_id(id) == id


@pytest.mark.parametrize(
    "id", ["", " ", " a", "a ", "a\n", "a\tb", "\x00", "x" * 257, "nexus:a", "a\u2028b", None, 42, b"a", ["a"]]
)
def test_instance_ids_that_are_refused(id: Any) -> None:
    with pytest.raises(InvalidArgument, match="id"):
        check_instance_id(id)
