"""What fails is tried again, and what hangs is given up: how often, when, and for how long, is said at the activity.

$ nexus run retries_and_timeouts:pay_invoice --input '{"invoice": "invoice-1", "cents": 9900}'

The bank is simulated by the file `bank.txt`: each line is its answer to one call; no line, and it is in good health.
"""

import asyncio
import time
from pathlib import Path

from nexus_sdk import ActivityFailed, ApplicationError, Context, Retry, activity, activity_info, heartbeat, workflow


def bank_answers() -> str:
    """The next line of `bank.txt`, which it loses."""
    file = Path("bank.txt")
    first, _, rest = file.read_text(encoding="utf-8").partition("\n") if file.exists() else ("", "", "")
    file.write_text(rest, encoding="utf-8")
    return first.strip() or "ok"


@activity(
    retry=Retry(
        max_attempts=6,
        initial="500ms",  # then 1 s, 2 s, …: each pause is twice the one before,
        max_interval="5s",  # but no longer than this,
        jitter="none",  # and as long as it says. "full", the default, spares a bank that a thousand clients retry
    ),
    timeout="2s",  # of one attempt: a call that hangs is given up and counts as failed
    schedule_to_close="20s",  # of all attempts and pauses together: then it has failed, whatever is left to try
)
async def transfer(invoice: str, cents: int) -> str:
    """Pay by bank transfer."""
    info = activity_info()
    answer = bank_answers()
    print(f"attempt {info.attempt}: the bank says {answer!r}")
    match answer:
        case "down":
            raise ConnectionError("no answer")  # any exception: tried again, as `retry` says
        case "hangs":
            await asyncio.sleep(3_600)
        case "busy":  # it said when to come back: the next pause is this long, whatever `retry` says
            raise ApplicationError("too many calls", type="Busy", retry_after="3s")
        case "refused":  # no use in asking again: fails now; the details go to whoever catches it
            raise ApplicationError("the account is closed", type="Refused", retryable=False, details={"reason": 51})
    # The key is the same in all attempts: a bank that had paid and only failed to say so will not pay again.
    return f"{cents} cents for {invoice}, transfer {info.idempotency_key[-10:]}"


@activity(heartbeat_timeout="5s")
def export_bookings(count: int, seconds_each: float) -> int:
    """Write the year's bookings to a file, one by one: long work that knows how far it is.

    A heartbeat says that it is alive: a process that dies, or a disk that hangs, is noticed within 5 seconds, however
    long the whole may take. What the last heartbeat said is given to the next attempt, which goes on from there.
    """
    begin = activity_info().heartbeat_details or 0
    print("exporting from booking", begin + 1)
    with open("bookings.txt", "a", encoding="utf-8") as file:
        for booking in range(begin + 1, count + 1):
            time.sleep(seconds_each)
            print("booking", booking, file=file, flush=True)
            heartbeat(booking)
    return count


@workflow
async def pay_invoice(
    ctx: Context, invoice: str, cents: int, bookings: int = 10, seconds_each: float = 0.1
) -> dict[str, str | int]:
    """Pay, then export. A bank that refuses is an answer, not an accident."""
    try:
        paid = await transfer(invoice, cents)
    except ActivityFailed as failure:
        if failure.is_type("Refused"):
            return {"invoice": invoice, "refused": failure.message, **failure.details}
        raise  # out of attempts, or of time: the instance fails, and `nexus rewind` tries again from here
    exported = await export_bookings(bookings, seconds_each)
    return {"invoice": invoice, "paid": paid, "exported": exported}
