"""What a workflow's own code gets wrong. A row's thing is the text of the body; `ctx` is there, and `charge`.

The instance exists already, so it is the workflow that fails, with the coded error at its own line; or it is blocked.
Nothing that was asked for wrongly is done: no timer, no activity, no message.
"""

from __future__ import annotations

from dataclasses import dataclass

from nexus_sdk.codec.base import PAYLOAD_BYTES_MAX
from tests.mistakes.bench import SECRET, TOO_LARGE

HEAD = f"""import asyncio, math, sys
from datetime import UTC, date, datetime
from nexus_sdk import ApplicationError, Context, activity, workflow

LONG = "x" * 100 + "{SECRET}" * 10_000
HUGE = "x" * 100 + "{SECRET}" * {PAYLOAD_BYTES_MAX // len(SECRET)}

@activity
def charge(amount: float) -> float:
    return amount

async def helper(item):
    return item

@workflow
async def child(ctx: Context, order: str):
    yield ctx.complete(order)

@workflow
async def flow(ctx: Context):
    """


@dataclass(frozen=True)
class Body:
    """One mistake: what it is, the body, the code, the words. `blocks`: it is a fault of the code, not a failure."""

    name: str
    text: str
    code: str
    words: tuple[str, ...]
    blocks: bool = False

    @property
    def module(self) -> str:
        return HEAD + self.text + "\n"

    @property
    def line(self) -> int:
        return self.module.count("\n", 0, len(HEAD)) + 1


def _fails(name: str, text: str, *words: str, code: str = "NX321") -> Body:
    return Body(name, text, code, words)


def _blocks(name: str, text: str, *words: str, code: str) -> Body:
    return Body(name, text, code, words, blocks=True)


BODIES = [
    _fails("a sleep until a naive time", "yield ctx.sleep_until(datetime(2030, 1, 1))", "no time zone", "tzinfo=UTC"),
    _fails("a sleep until a date", "yield ctx.sleep_until(date(2030, 1, 1))", "expected a datetime"),
    _fails("a sleep until a text", "yield ctx.sleep_until('2030')", "expected a datetime, got '2030'"),
    _fails("a negative sleep", "yield ctx.sleep(-1)", "ctx.sleep", "cannot be negative, got -1"),
    _fails("a sleep of NaN", "yield ctx.sleep(math.nan)", "nan is not a duration"),
    _fails("an endless sleep", "yield ctx.sleep(math.inf)", "inf is not a duration"),
    _fails("a sleep of many digits", "yield ctx.sleep(10**6000)", "longer than a hundred years"),
    _fails("a sleep of nothing", "yield ctx.sleep(None)", "None is not a duration"),
    _fails("a sleep in words", "yield ctx.sleep(LONG)", "is not a duration", "1h30m"),
    _fails(
        "a negative timeout block", "async with ctx.timeout(-1):\n        yield ctx.sleep(1)", "ctx.timeout", "negative"
    ),
    _fails("a wait for an event without a name", "yield ctx.wait_for_event('')", "1 to 256 characters"),
    _fails("a wait for an event with a long name", "yield ctx.wait_for_event(LONG)", "1 to 256 characters"),
    _fails("a wait for an event with a lone surrogate", r"yield ctx.wait_for_event('\ud800')", "printable"),
    _fails("a wait with a negative timeout", "yield ctx.wait_for_event('a', timeout=-1)", "timeout", "negative"),
    _fails("an event to an id that is none", "yield ctx.send_event('', 'a')", "an instance id has 1 to 256"),
    _fails("an event without a name", "yield ctx.send_event('order-1', '')", "an event's name"),
    _fails(
        "an event that cannot be encoded",
        "yield ctx.send_event('order-1', 'a', lambda: 1)",
        "cannot be encoded",
        code="NX501",
    ),
    _fails("a race of nobody", "yield ctx.race()", "at least one operation"),
    _fails("a race of a number", "yield ctx.race(1)", "takes operations", code="NX101"),
    _fails("a gather of a list", "yield ctx.gather([charge(1.0)])", "takes operations", "not list", code="NX101"),
    _fails("a gather of an activity that was not called", "yield ctx.gather(charge)", "not Activity", code="NX101"),
    _fails("a spawn of a function", "ctx.spawn(helper)\n    yield", "takes operations", code="NX101"),
    _fails("a map of none at a time", "yield ctx.map(charge, [1.0], concurrency=0)", "from 1 on, got 0"),
    _fails("a map of True at a time", "yield ctx.map(charge, [1.0], concurrency=True)", "from 1 on, got True"),
    _fails("a map without a function", "yield ctx.map(5, [1.0])", "takes a function first, got 5"),
    _fails("a map over a number", "yield ctx.map(charge, 5)", "takes items to go through, got 5"),
    _fails(
        "a map with a plain function", "yield ctx.map(lambda item: item, [1])", "must give an operation", code="NX101"
    ),
    _fails("a call of an activity without a name", "yield ctx.call('')", "an activity's name"),
    _fails("a call of the activity itself", "yield ctx.call(charge, 1.0)", "is a text, got <activity 'charge'>"),
    _fails(
        "a call with an option nobody knows", "yield ctx.call('charge', amount=1.0)", "no option 'amount'", code="NX101"
    ),
    _fails("a side effect that is no function", "yield ctx.side_effect(5)", "takes a function, got 5"),
    _fails("a query without a name", "ctx.on_query('', helper)\n    yield", "a query's name"),
    _fails("a query without a function", "ctx.on_query('progress', 5)\n    yield", "takes a function, got 5"),
    _fails("a change without a name", "ctx.patched('')\n    yield", "a change id"),
    _fails(
        "a status that cannot be encoded", "ctx.set_status(sys)\n    yield", "module cannot be encoded", code="NX501"
    ),
    _fails("an activity without its argument", "yield charge()", "charge(): missing", "(amount)", code="NX102"),
    _fails("an activity with an argument too many", "yield charge(1.0, 2.0)", "too many positional", code="NX102"),
    _fails(
        "an argument that cannot be encoded", "yield charge(lambda: 1)", "$.amount", "cannot be encoded", code="NX501"
    ),
    _fails("an argument that is too large", "yield charge(HUGE)", TOO_LARGE, code="NX502"),
    _fails(
        "options that make no sense",
        "yield charge.options(timeout=-1)(1.0)",
        "activity 'charge': timeout",
        code="NX101",
    ),
    _fails("a child without its argument", "yield child()", "child(): missing", "(order)", code="NX102"),
    _fails("a child with an id that is none", "yield child.options(id=' ')('a')", "no blanks at either end"),
    _fails(
        "a next run with arguments of nobody",
        "yield ctx.continue_as_new(x=1)",
        "flow(): ",
        "no arguments",
        code="NX102",
    ),
    _fails(
        "a next run inside a saga",
        "async with ctx.saga():\n        yield ctx.continue_as_new()",
        "inside an open saga",
        code="NX101",
    ),
    _fails("a result that cannot be encoded", "yield ctx.complete(lambda: 1)", "cannot be encoded", code="NX501"),
    _fails("a result that is too large", "yield ctx.complete(HUGE)", TOO_LARGE, code="NX502"),
    _blocks("a yield of nothing", "yield", "yields nothing", "Yield an operation", code="NX203"),
    _blocks("a yield of a list", "yield [1, 2]", "yields list", code="NX203"),
    _blocks("a yield of a long text", "yield HUGE", "yields str", code="NX203"),
    _blocks("a foreign await", "await asyncio.sleep(1)\n    yield", "ctx.sleep instead of asyncio.sleep", code="NX202"),
    _blocks(
        "a forgotten yield",
        "charge(1.0)\n    yield ctx.sleep(1)",
        "'charge' built at",
        "forgotten `yield`",
        code="NX204",
    ),
    _blocks(
        "an operation that is used twice",
        "op = ctx.sleep(0)\n    yield op\n    yield op",
        "is used twice",
        code="NX204",
    ),
]
