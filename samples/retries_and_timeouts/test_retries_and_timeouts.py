"""retries_and_timeouts: each bad day of the bank, and an export that is killed half-way."""

from datetime import timedelta
from pathlib import Path

import pytest
import retries_and_timeouts as sample
from retries_and_timeouts import export_bookings, pay_invoice, transfer

from nexus_sdk import WorkflowFailed
from nexus_sdk.testing import WorkflowEnvironment


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def bank_says(*answers: str) -> None:
    """What the bank will answer, one call after another; then it is in good health."""
    Path("bank.txt").write_text("\n".join(answers))


def left_of(file: str) -> list[str]:
    return Path(file).read_text().splitlines()


def environment() -> WorkflowEnvironment:
    return WorkflowEnvironment(workflows=[pay_invoice], activities=[transfer, export_bookings])


async def paid(bookings: int = 0) -> tuple[dict, timedelta]:
    """The result, and how long it took."""
    async with environment() as env:
        began = env.now
        result = await env.run(pay_invoice, "invoice-1", 9_900, bookings, 0.0)
        return result, env.now - began


async def test_a_bank_in_good_health():
    result, took = await paid()
    assert result["paid"].startswith("9900 cents for invoice-1")
    assert took == timedelta(0)


async def test_failures_are_tried_again_after_growing_pauses():
    bank_says("down", "down", "down")
    assert (await paid())[1] == timedelta(seconds=0.5 + 1 + 2)


async def test_a_call_that_hangs_is_given_up():
    bank_says("hangs")
    assert (await paid())[1] == timedelta(seconds=2 + 0.5)


async def test_a_busy_bank_says_when_to_come_back():
    bank_says("busy")
    assert (await paid())[1] == timedelta(seconds=3)


async def test_a_refusal_is_not_tried_again():
    bank_says("refused", "ok")
    assert (await paid())[0] == {"invoice": "invoice-1", "refused": "the account is closed", "reason": 51}
    assert left_of("bank.txt") == ["ok"]


async def test_attempts_run_out_and_rewind_tries_again():
    bank_says(*["down"] * 6)
    async with environment() as env:
        handle = await env.start(pay_invoice, "invoice-1", 9_900, 0)
        with pytest.raises(WorkflowFailed, match="after 6 attempts: ConnectionError"):
            await handle.result()
        await handle.rewind()
        assert "paid" in await handle.result()


async def test_a_bank_that_hangs_for_ever_is_given_up():
    bank_says(*["hangs"] * 6)
    async with environment() as env:
        began = env.now
        with pytest.raises(WorkflowFailed, match="failed after 5 attempts: TimedOut"):
            await env.run(pay_invoice, "invoice-1", 9_900)
        # A sixth attempt, 5 seconds later, would begin past the 20 seconds of `schedule_to_close`: no use in waiting.
        assert env.now - began == timedelta(seconds=5 * 2 + 0.5 + 1 + 2 + 4)


async def test_the_export_writes_each_booking():
    assert (await paid(bookings=100))[0]["exported"] == 100
    assert len(left_of("bookings.txt")) == 100


async def test_wherever_it_is_killed_it_comes_to_the_same_end():
    async with environment() as env:
        env.mock(transfer, sequence=[ConnectionError("no answer"), "paid"])
        assert await env.crash_everywhere(pay_invoice, "invoice-1", 9_900, 3, 0.0) > 5


async def test_the_next_attempt_goes_on_behind_the_last_heartbeat(monkeypatch: pytest.MonkeyPatch):
    def beat_and_break(booking: int, beat=sample.heartbeat):
        beat(booking)
        if booking == 3:
            monkeypatch.setattr(sample, "heartbeat", beat)
            raise OSError("the disk is full")

    monkeypatch.setattr(sample, "heartbeat", beat_and_break)
    async with environment() as env:
        env.mock(transfer, returns="paid")
        await env.run(pay_invoice, "invoice-1", 9_900, 5, 0.0)
        assert len(env.calls(export_bookings)) == 2
    assert left_of("bookings.txt") == [f"booking {number}" for number in range(1, 6)]
