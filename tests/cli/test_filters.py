"""What is typed to choose instances, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nexus_sdk.cli.filters import age_of, attributes_of, finished_statuses_of, moment_of, statuses_of
from nexus_sdk.cli.mistakes import Mistake
from nexus_sdk.core.status import FINISHED, Status

NOW = datetime(2030, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("a=5", 5),
        ("a=5.5", 5.5),
        ("a=true", True),
        ('a="5"', "5"),
        ("a=Ada", "Ada"),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a=[1]", "[1]"),
        ("a=null", "null"),
    ],
)
def test_an_attribute_is_json_where_it_is_and_text_otherwise(typed: str, value: object) -> None:
    found = attributes_of([typed])
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize("typed", ["a", "=5", ""])
def test_an_attribute_has_a_name_and_a_value(typed: str) -> None:
    with pytest.raises(Mistake, match="NAME=VALUE"):
        attributes_of([typed])


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("1d12h", NOW - timedelta(hours=36)),
        ("2030-05-01T10:00:00+02:00", datetime(2030, 5, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_an_age_or_a_time(typed: str, moment: datetime) -> None:
    assert moment_of(typed, "--created-after", NOW) == moment


def test_a_time_without_a_zone_is_local() -> None:
    assert moment_of("2030-05-01T10:00", "--created-after", NOW) == datetime(2030, 5, 1, 10).astimezone()


@pytest.mark.parametrize("typed", ["yesterday", "", "-2h", "5 parsecs", "2030-13-01"])
def test_what_is_neither_age_nor_time_is_a_mistake(typed: str) -> None:
    with pytest.raises(Mistake, match="--created-after") as raised:
        moment_of(typed, "--created-after", NOW)
    assert "30d" in raised.value.hint
    with pytest.raises(Mistake):
        age_of(typed, "--older-than")


def test_an_unknown_status_has_a_neighbour() -> None:
    with pytest.raises(Mistake, match="complete") as raised:
        statuses_of(["complete"])
    assert raised.value.hint == "Did you mean 'completed'?"


def test_only_ends_can_be_purged_and_all_of_them_are_by_default() -> None:
    assert finished_statuses_of(None) == FINISHED
    assert finished_statuses_of(["failed"]) == {Status.FAILED}
    with pytest.raises(Mistake, match="running"):
        finished_statuses_of(["failed", "running"])
