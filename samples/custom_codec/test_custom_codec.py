"""custom_codec: money comes back as money, in both forms, and nobody guesses at what he cannot read."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from custom_codec import MONEY, Money, app, collect, divide, split_bill
from json_codec import JsonCodec
from json_codec import app as json_app

from nexus_sdk import Nexus, PayloadError
from nexus_sdk.codec import MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.errors import PayloadUnreadable
from nexus_sdk.testing import WorkflowEnvironment

TOTAL = Money(10_000, "EUR")
GUESTS = ["Ada", "Bob", "Eve"]

both_apps = pytest.mark.parametrize("serving", [app, json_app], ids=["msgpack", "json"])


def environment(serving: Nexus, store: str = "memory://") -> WorkflowEnvironment:
    return WorkflowEnvironment([split_bill], [divide, collect], codec=serving.codec, store=store)


@both_apps
async def test_a_bill_is_divided_to_the_cent(serving: Nexus, capsys: pytest.CaptureFixture[str]):
    async with environment(serving) as env:
        result = await env.run(split_bill, TOTAL, GUESTS)
    shares = {"Ada": Money(3_334, "EUR"), "Bob": Money(3_333, "EUR"), "Eve": Money(3_333, "EUR")}
    assert result == {"shares": shares, "exact": True}
    assert sorted(capsys.readouterr().out.splitlines()) == [f"{who} pays {share}" for who, share in shares.items()]


@both_apps
@pytest.mark.parametrize("value", [TOTAL, [TOTAL, {"deep": TOTAL}], {"none": None, "text": "ö", "number": 0.1}])
def test_a_value_comes_back_without_an_annotation(serving: Nexus, value: Any):
    assert serving.codec.decode(serving.codec.encode(value)) == value


@both_apps
def test_the_command_line_gives_plain_data(serving: Nexus):
    assert serving.codec.convert({"cents": 10_000, "currency": "EUR"}, Money) == TOTAL


async def test_what_is_stored_is_json():
    async with environment(json_app) as env:
        handle = await env.start(split_bill, TOTAL, GUESTS)
        await handle.result()
        scheduled = next(one for one in await env.history(handle) if isinstance(one, e.ActivityScheduled))
    assert scheduled.arguments.encoding == "shop-json"
    assert json.loads(scheduled.arguments.data or b"") == {"total": {"$money": [10_000, "EUR"]}, "guests": GUESTS}


async def test_a_reader_with_another_codec_blocks_it_and_the_right_one_goes_on(tmp_path: Path):
    store = f"sqlite:///{tmp_path}/nexus.db"
    async with environment(json_app, store) as env:
        await env.start(split_bill, TOTAL, GUESTS, id="bill-1")
        await env.settle()
        await env.crash_worker()
    async with environment(app, store) as env:
        await env.advance("3s")
        status = await env.get("bill-1").status()
        assert (status.status, status.failure and status.failure.code) == ("blocked", "NX503")
    async with environment(json_app, store) as env:
        await env.get("bill-1").resume()
        assert (await env.get("bill-1").result())["exact"]


def test_names_are_for_ever():
    stored = app.codec.encode(TOTAL)
    with pytest.raises(PayloadUnreadable, match=r"it holds a 'money', and this codec .* \(it has 'cash'\)"):
        MsgpackCodec(types=[replace(MONEY, name="cash")]).decode(stored)


def test_classes_are_not():
    @dataclass(frozen=True)
    class Price:
        pence: int
        currency: str

    moved = replace(MONEY, type=Price, from_plain=lambda plain: Price(*plain))  # type: ignore[arg-type]
    assert MsgpackCodec(types=[moved]).decode(app.codec.encode(TOTAL)) == Price(10_000, "EUR")


def test_what_json_cannot_say_is_refused():
    for value in ({1, 2}, float("nan"), {"when": object()}):
        with pytest.raises(PayloadError, match="cannot be encoded as 'shop-json'"):
            JsonCodec().encode(value)


@both_apps
async def test_wherever_it_is_killed_it_comes_to_the_same_end(serving: Nexus):
    async with environment(serving) as env:
        assert await env.crash_everywhere(split_bill, TOTAL, GUESTS) > 5
