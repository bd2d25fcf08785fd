"""A price table is dated, says what it knows, and refuses what makes no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexus_sdk.costing.prices import Price, PriceTable, read_table, with_prices_of
from nexus_sdk.errors import InvalidArgument

TABLE = PriceTable(
    "aws",
    "us-east-1",
    "USD",
    "2026-01-01",
    {"sqs.request": Price(0.4, 1_000_000, "requests", "SQS", "the page"), "alarm.month": Price(0.1, 1, "alarms", "CW")},
    "as on the page",
)


def overlaid(tmp_path: Path, said: Any) -> PriceTable:
    path = tmp_path / "prices.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return with_prices_of(TABLE, str(path))


def test_a_bill_is_what_all_of_it_costs() -> None:
    assert TABLE.cost({"sqs.request": 5_000_000, "alarm.month": 3}) == pytest.approx(2.0 + 0.3)
    assert TABLE.cost({}) == 0


def test_what_has_no_price_is_an_error_and_not_free() -> None:
    with pytest.raises(KeyError):
        TABLE.cost({"sqs.dream": 1})


def test_a_file_replaces_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    said = {"as_of": "2026-05-06", "region": "eu-central-1", "prices": {"sqs.request": {"price": 0.5}}}
    table = overlaid(tmp_path, said)
    assert (table.region, table.as_of, table.currency) == ("eu-central-1", "2026-05-06", "USD")
    assert table.cost({"sqs.request": 1_000_000}) == 0.5
    assert table.prices["sqs.request"].source.endswith("prices.json")
    assert table.prices["alarm.month"] == TABLE.prices["alarm.month"]


def test_a_whole_table_may_be_given_too(tmp_path: Path) -> None:
    from nexus_aws.costing import cloud

    text = (Path(__file__).parents[2] / "providers/nexus_aws/costing/prices.json").read_text(encoding="utf-8")
    path = tmp_path / "prices.json"
    path.write_text(text)
    given = with_prices_of(cloud.prices, str(path))
    assert given == cloud.prices == read_table(text)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{", "is not JSON"),
        ([], "an object with 'prices'"),
        ({"as_of": "2026-01-01"}, "an object with 'prices'"),
        ({"as_of": "2026-01-01", "prices": {}, "format": "nexus-prices/9"}, "no price table of the form"),
        ({"as_of": "2026-01-01", "prices": {}, "cloud": "azure"}, "for 'aws'"),
        ({"as_of": "2026-01-01", "prices": {"sqs.dream": {"price": 1}}}, "'sqs.dream'"),
        ({"as_of": "2026-01-01", "prices": {"sqs.request": 4}}, "a price is an object"),
        ({"as_of": "2026-01-01", "prices": {"sqs.request": {"cost": 4}}}, "a price is an object"),
        ({"as_of": "2026-01-01", "prices": {"sqs.request": {"price": "4"}}}, "price is a number"),
        ({"as_of": "2026-01-01", "prices": {"sqs.request": {"price": -4}}}, "price is a number"),
        ({"as_of": "2026-01-01", "prices": {"sqs.request": {"price": 4, "per": 0}}}, "per is a number"),
        ({"as_of": "2026-01-01", "region": 4, "prices": {}}, "'region' is a text"),
        ({"prices": {}}, "'as_of' is the day"),
        ({"as_of": "yesterday", "prices": {}}, "'as_of' is the day"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, said: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        overlaid(tmp_path, said)
    assert words in refused.value.message
    assert "prices.json" in refused.value.message
    assert refused.value.hint


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidArgument, match="no price table to read at '/nowhere"):
        with_prices_of(TABLE, "/nowhere.json")
