"""fan_out_fan_in: thousands, some that fail, and a crash in the middle."""

from pathlib import Path

import pytest
from fan_out_fan_in import bill_month, find_customers, send_bill

from nexus_sdk.testing import WorkflowEnvironment
from nexus_sdk.testing.faults import FaultAt, Strike


@pytest.fixture
def printer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bills go."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "bills.txt"


def environment(faults: FaultAt | None = None) -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[bill_month], activities=[find_customers, send_bill], faults=faults)


async def test_everybody_is_billed_and_who_is_not_is_named(printer: Path):
    async with environment() as env:
        handle = await env.start(bill_month, "2026-01", 2_500)
        result = await handle.result()
        assert (await handle.query("progress")) == {"billed": 2_498, "NoAddress": 2}
        assert (await handle.status()).custom_status["billed"] == 2_000
    assert (result["billed"], result["not_billed"]) == (2_498, [1_000, 2_000])
    assert result["cents"] == sum(500 + n * 37 % 9_500 for n in range(1, 2_501) if n % 1_000)
    assert len(printed(printer)) == 2_498


async def test_no_customers_no_bills(printer: Path):
    async with environment() as env:
        result = await env.run(bill_month, "2026-01", 0)
    assert result == {"month": "2026-01", "billed": 0, "cents": 0, "not_billed": []}


async def test_after_a_crash_no_bill_is_missing_and_none_is_another(printer: Path):
    crash = FaultAt(30, Strike.CRASH)
    async with environment(faults=crash) as env:
        handle = await env.start(bill_month, "2026-01", 500)
        assert (await handle.result())["billed"] == 500
    assert crash.struck
    assert len(set(printed(printer))) == 500  # some were printed twice, under the same key


def printed(printer: Path) -> list[str]:
    return printer.read_text().splitlines()
