"""Edits of a workflow: what was deployed when a history was recorded, what is deployed now, and what must come of it.

The verdicts are by hand. ``safe``: every recorded history replays; ``warned``: it replays, and something is given
otherwise; ``unsafe``: code and record part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from nexus_sdk.replay.guesses import Change

PRELUDE = """
import itertools
from typing import Any
from nexus_sdk import ActivityFailed, Context, Retry, activity, workflow

@activity
async def charge(amount: int) -> int:
    return amount

@activity
async def charge_card(amount: int) -> int:
    return amount

@activity
async def refund(amount: int) -> None: ...

@activity(compensate=refund)
async def reserve(amount: int) -> int:
    return amount

@activity
async def check(amount: int) -> bool:
    return True

@activity
async def ship(what: Any) -> str:
    return f"shipped {what}"

@activity(retry=Retry(max_attempts=1))
async def fail(what: Any) -> str:
    raise ValueError("no")

@workflow
async def pack(ctx: Context, item: int) -> int:
    return item

@workflow
async def wrap(ctx: Context, item: int) -> int:
    return item

@workflow
async def listener(ctx: Context):
    yield ctx.wait_for_event("said")

async def charging(amount: int) -> int:
    return await charge(amount)
"""

HEAD = "@workflow\nasync def flow(ctx: Context, amount: int = 5):\n"


@dataclass(frozen=True)
class Edit:
    """Two bodies of ``flow``, or two whole functions where they begin with ``@``.

    Attributes:
        change: the guess that comes first, of an unsafe one.
        phrases: what the explanation, the warning or the error says.
        events: what is sent to the instance.
    """

    name: str
    before: str
    after: str
    verdict: Literal["safe", "warned", "unsafe"]
    change: Change | None = None
    phrases: tuple[str, ...] = ()
    events: tuple[tuple[str, Any], ...] = field(default=())


def source(body: str) -> str:
    """A module with this flow. Where it begins with ``!``, the rest takes the place of the prelude's end."""
    if body.startswith("@"):
        return f"{PRELUDE}\n\n{body}\n"
    lines = "\n".join(f"    {line}" if line else "" for line in body.strip().splitlines())
    return f"{PRELUDE}\n\n{HEAD}{lines}\n"


ORDER = """
paid = yield charge(amount)
yield ctx.sleep("1h")
sent = yield ship(paid)
yield ctx.complete(sent)
"""

WAITING = """
paid = yield charge(amount)
yield ctx.wait_for_event("never")
"""

EDITS = [
    # --- safe ---
    Edit("nothing", ORDER, ORDER, "safe"),
    Edit("lines moved, names of variables changed", ORDER, "\n# more\n\n" + ORDER.replace("paid", "receipt"), "safe"),
    Edit("yield became await", ORDER, ORDER.replace("yield charge", "await charge"), "safe"),
    Edit(
        "a computation in between", ORDER, ORDER.replace("yield ctx.sleep", "total = paid * 2\nyield ctx.sleep"), "safe"
    ),
    Edit("other options of an activity", ORDER, ORDER.replace("charge(", 'charge.options(timeout="9s")('), "safe"),
    Edit("a step extracted into an awaited helper", ORDER, ORDER.replace("yield charge", "await charging"), "safe"),
    Edit("a custom status and a log line", ORDER, 'ctx.set_status("on it")\nctx.log.info("hello")\n' + ORDER, "safe"),
    Edit("a query", ORDER, 'ctx.on_query("state", lambda: 1)\n' + ORDER, "safe"),
    Edit("a step behind what is recorded", WAITING, WAITING + "\nyield ship(paid)", "safe"),
    Edit(
        "the other shape of workflow",
        ORDER,
        "@workflow\nasync def flow(ctx: Context, amount: int = 5) -> str:\n    paid = await charge(amount)\n"
        '    await ctx.sleep("1h")\n    return await ship(paid)',
        "safe",
    ),
    Edit(
        "a parameter with a default",
        ORDER,
        "@workflow\nasync def flow(ctx: Context, amount: int = 5, gift: bool = False):\n"
        "    paid = yield charge(amount)\n"
        '    yield ctx.sleep("1h")\n    sent = yield ship(paid)\n    yield ctx.complete(sent)',
        "safe",
    ),
    Edit(
        "an added step behind a patch",
        ORDER,
        ORDER.replace("sent =", 'if ctx.patched("check"):\n    yield check(paid)\nsent ='),
        "safe",
    ),
    Edit(
        "a removed step behind a patch",
        ORDER,
        ORDER.replace('yield ctx.sleep("1h")', 'if not ctx.patched("no-sleep"):\n    yield ctx.sleep("1h")'),
        "safe",
    ),
    Edit(
        "the guard of a patch taken away, for runs that have it",
        'if ctx.patched("check"):\n    yield check(amount)\n' + ORDER,
        "yield check(amount)\n" + ORDER,
        "safe",
    ),
    Edit(
        "a try around a step",
        ORDER,
        "try:\n    paid = yield charge(amount)\nexcept ActivityFailed:\n    paid = 0\n" + ORDER.split("\n", 2)[2],
        "safe",
    ),
    Edit(
        "arguments of another order in a mapping",
        'yield ship({"a": 1, "b": 2})',
        'yield ship({"b": 2, "a": 1})',
        "safe",
    ),
    Edit(
        "an event's type is wider",
        'yield ctx.wait_for_event("ok", bool)',
        'yield ctx.wait_for_event("ok")',
        "safe",
        events=(("ok", True),),
    ),
    Edit(
        "a function renamed that keeps its name in the record",
        ORDER,
        '@activity(name="charge")\nasync def take_money(amount: int) -> int:\n    return amount\n\n'
        + HEAD
        + "    paid = yield take_money(amount)\n"
        '    yield ctx.sleep("1h")\n    sent = yield ship(paid)\n    yield ctx.complete(sent)',
        "safe",
    ),
    # --- warned ---
    Edit(
        "other arguments",
        ORDER,
        ORDER.replace("charge(amount)", "charge(amount + 1)"),
        "warned",
        phrases=("activity 'charge' is given another set of arguments: amount was 5, is now 6",),
    ),
    Edit(
        "a longer timer",
        ORDER,
        ORDER.replace("1h", "2h"),
        "warned",
        phrases=("a timer is given another deadline: 3,600.000 s later",),
    ),
    Edit(
        "a wait with a timeout",
        'yield ctx.wait_for_event("never")',
        'yield ctx.wait_for_event("never", timeout="1h")',
        "warned",
        phrases=("a wait for event 'never' is given another deadline: there was none",),
    ),
    Edit(
        "another result",
        ORDER,
        ORDER.replace("complete(sent)", "complete([sent])"),
        "warned",
        phrases=("the end of the workflow is given another result: was 'shipped 5', is now ['shipped 5']",),
    ),
    Edit(
        "a child's arguments",
        "yield pack(1)",
        "yield pack(2)",
        "warned",
        phrases=("child workflow 'pack' is given another set of arguments: item was 1, is now 2",),
    ),
    Edit(
        "a child's id",
        'yield pack.options(id="one")(1)',
        'yield pack.options(id="two")(1)',
        "warned",
        phrases=("child workflow 'pack' is given another instance id: was 'one', is now 'two'",),
    ),
    Edit(
        "what an event says",
        'spawned = ctx.spawn(listener.options(id="l")())\nyield ctx.send_event("l", "said", 1)\nyield spawned',
        'spawned = ctx.spawn(listener.options(id="l")())\nyield ctx.send_event("l", "said", 2)\nyield spawned',
        "warned",
        phrases=("event 'said' to 'l' is given another payload: was 1, is now 2",),
    ),
    # --- unsafe ---
    Edit(
        "an activity renamed",
        ORDER,
        ORDER.replace("charge(", "charge_card("),
        "unsafe",
        Change.RENAMED,
        (
            "Activity 'charge' (recorded at flow.py:",
            "was renamed: it is activity 'charge_card' (flow.py:",
            '@activity(name="charge")',
        ),
    ),
    Edit(
        "another activity with other arguments",
        ORDER,
        ORDER.replace("charge(amount)", "ship(7)"),
        "unsafe",
        Change.REMOVED,
        ("was removed: the code goes on with activity 'ship'", "if not ctx.patched(\"…\"): activity 'charge'"),
    ),
    Edit(
        "a step added in front",
        ORDER,
        "yield check(amount)\n" + ORDER,
        "unsafe",
        Change.ADDED,
        (
            "activity 'check' (flow.py:",
            "was added in front of activity 'charge'",
            "if ctx.patched(\"…\"): activity 'check'",
        ),
    ),
    Edit(
        "a step added in the middle",
        ORDER,
        ORDER.replace("sent =", "yield check(paid)\nsent ="),
        "unsafe",
        Change.ADDED,
        ("activity 'check'", "was added in front of activity 'ship'", "+ 2 activity 'check'"),
    ),
    Edit(
        "a timer added",
        ORDER,
        'yield ctx.sleep("1m")\n' + ORDER.replace("1h", "2h"),
        "unsafe",
        Change.ADDED,
        ("a timer (flow.py:", "was added in front of activity 'charge'"),
    ),
    Edit(
        "a side effect added",
        ORDER,
        "yield ctx.side_effect(lambda: 1)\n" + ORDER,
        "unsafe",
        Change.ADDED,
        ("a side effect", "was added in front of activity 'charge'"),
    ),
    Edit(
        "the first step removed",
        ORDER,
        ORDER.replace("yield charge(amount)", "amount"),
        "unsafe",
        Change.REMOVED,
        ("Activity 'charge'", "was removed: the code goes on with a timer", "- "),
    ),
    Edit(
        "a step in the middle removed",
        ORDER,
        ORDER.replace('yield ctx.sleep("1h")', ""),
        "unsafe",
        Change.REMOVED,
        ("A timer (recorded at flow.py:", "was removed: the code goes on with activity 'ship'"),
    ),
    Edit(
        "the last step removed",
        ORDER,
        ORDER.replace("yield ship(paid)", "paid"),
        "unsafe",
        Change.REMOVED,
        ("Activity 'ship' (recorded at flow.py:", "was removed, or the code ends before it comes to it"),
    ),
    Edit(
        "an early end",
        ORDER,
        ORDER.replace("yield ctx.sleep", "if paid:\n    yield ctx.complete(0)\nyield ctx.sleep"),
        "unsafe",
        Change.REMOVED,
        ("A timer", "or the code ends before it comes to it"),
    ),
    Edit(
        "two steps changed places",
        ORDER,
        'yield ctx.sleep("1h")\npaid = yield charge(amount)\nsent = yield ship(paid)\nyield ctx.complete(sent)',
        "unsafe",
        Change.MOVED,
        ("Activity 'charge'", "and a timer", "have changed places", "Keep the old order for old runs"),
    ),
    Edit(
        "the last step moved to the front",
        ORDER,
        'sent = yield ship(amount)\npaid = yield charge(amount)\nyield ctx.sleep("1h")\nyield ctx.complete(sent)',
        "unsafe",
        Change.MOVED,
        ("Activity 'charge'", "activity 'ship'", "have changed places"),
    ),
    Edit(
        "a timer became a wait",
        ORDER,
        ORDER.replace('ctx.sleep("1h")', 'ctx.wait_for_event("go")'),
        "unsafe",
        Change.REPLACED,
        ("A timer", "was replaced by a wait for event 'go'"),
    ),
    Edit(
        "a wait for another event",
        'yield ctx.wait_for_event("approved")',
        'yield ctx.wait_for_event("signed")',
        "unsafe",
        Change.RENAMED,
        ("A wait for event 'approved'", "was renamed: it is a wait for event 'signed'"),
    ),
    Edit(
        "a child renamed",
        "yield pack(1)",
        "yield wrap(1)",
        "unsafe",
        Change.RENAMED,
        ("Child workflow 'pack'", "was renamed: it is child workflow 'wrap'", '@workflow(name="pack")'),
    ),
    Edit(
        "an activity became a child",
        "yield charge(1)",
        "yield pack(1)",
        "unsafe",
        Change.REPLACED,
        ("Activity 'charge'", "was replaced by child workflow 'pack'"),
    ),
    Edit(
        "an event of another name",
        'spawned = ctx.spawn(listener.options(id="l")())\nyield ctx.send_event("l", "said", 1)\nyield spawned',
        'spawned = ctx.spawn(listener.options(id="l")())\nyield ctx.send_event("l", "shouted", 1)\nyield spawned',
        "unsafe",
        Change.RENAMED,
        ("Event 'said' to 'l'", "was renamed: it is event 'shouted' to 'l'"),
    ),
    Edit(
        "a condition that is false now",
        "if amount > 3:\n    yield check(amount)\n" + ORDER,
        "if amount > 30:\n    yield check(amount)\n" + ORDER,
        "unsafe",
        Change.CONDITION,
        (
            "activity 'check'",
            "is still in the code: does the condition at flow.py:",
            "`if amount > 30:`",
            "Let old runs decide as they did",
        ),
    ),
    Edit(
        "a condition that is true now",
        "if amount > 30:\n    yield check(amount)\n" + ORDER,
        "if amount > 3:\n    yield check(amount)\n" + ORDER,
        "unsafe",
        Change.ADDED,
        (
            "activity 'check'",
            "was added in front of activity 'charge'",
            "does the condition at flow.py:",
            "`if amount > 3:` decide otherwise".replace("` decide", "`) decide"),
        ),
    ),
    Edit(
        "the other branch",
        "if amount > 3:\n    yield charge(amount)\nelse:\n    yield charge_card(amount)",
        "if amount < 3:\n    yield charge(amount)\nelse:\n    yield charge_card(amount)",
        "unsafe",
        Change.CONDITION,
        ("Activity 'charge'", "is still in the code: does the condition at flow.py:", "`if amount < 3:`"),
    ),
    Edit(
        "a loop that ends earlier",
        "for number in range(3):\n    yield check(number)",
        "for number in range(2):\n    yield check(number)",
        "unsafe",
        Change.LOOP,
        ("Activity 'check'", "does the loop at flow.py:", "`for number in range(2):`"),
    ),
    Edit(
        "a loop that goes on longer",
        "for number in range(2):\n    yield check(number)\nyield ship(1)",
        "for number in range(3):\n    yield check(number)\nyield ship(1)",
        "unsafe",
        Change.ADDED,
        (
            "activity 'check'",
            "was added in front of activity 'ship'",
            "does the loop at flow.py:",
            "`for number in range(3):`",
        ),
    ),
    Edit(
        "a step became a group",
        ORDER,
        ORDER.replace("paid = yield charge(amount)", "(paid,) = yield ctx.gather(charge(amount))"),
        "unsafe",
        Change.REGROUPED,
        ("it was operation 0 and is now 0.0", "wrapped in a group or a helper"),
    ),
    Edit(
        "a step went into a helper of its own",
        ORDER,
        ORDER.replace("yield charge(amount)", "yield ctx.spawn(charging(amount))"),
        "unsafe",
        Change.REGROUPED,
        ("it was operation 0 and is now 0.0",),
    ),
    Edit(
        "a group grew",
        "yield ctx.gather(charge(1))",
        "yield ctx.gather(charge(1), check(2))",
        "unsafe",
        Change.ADDED,
        ("activity 'check'", "was added where history has nothing"),
    ),
    Edit(
        "a group shrank",
        "yield ctx.gather(charge(1), check(2))\nyield ship(1)",
        "yield ctx.gather(charge(1))\nyield ship(1)",
        "unsafe",
        Change.REMOVED,
        ("Activity 'check'", "was removed"),
    ),
    Edit(
        "a group in another order",
        "yield ctx.gather(charge(1), check(2))",
        "yield ctx.gather(check(2), charge(1))",
        "unsafe",
        Change.MOVED,
        ("Activity 'charge'", "activity 'check'", "have changed places"),
    ),
    Edit(
        "a race became a gather",
        'yield ctx.race(charge(1), ctx.sleep("1h"))\nyield ship(1)',
        'yield ctx.gather(charge(1), ctx.sleep("1h"))\nyield ship(1)',
        "unsafe",
        Change.REMOVED,
        ("The end of a timer", "was removed"),
    ),
    Edit(
        "a timeout around a step",
        ORDER,
        'async with ctx.timeout("9h"):\n    paid = yield charge(amount)\n' + ORDER.split("\n", 2)[2],
        "unsafe",
        Change.ADDED,
        ("a timeout block", "was added in front of activity 'charge'"),
    ),
    Edit(
        "a saga taken away",
        "try:\n    async with ctx.saga():\n        yield reserve(1)\n        yield fail(1)\n"
        "except ActivityFailed:\n    pass\nyield ctx.sleep(1)",
        "try:\n    yield reserve(1)\n    yield fail(1)\nexcept ActivityFailed:\n    pass\nyield ctx.sleep(1)",
        "unsafe",
        Change.REMOVED,
        ("Activity 'refund'", "was removed: the code goes on with a timer"),
    ),
    Edit(
        "the old branch of a patch taken away too early",
        "paid = yield charge(amount)\nyield ctx.wait_for_event('never')",
        "paid = yield charge_card(amount)\nyield ctx.wait_for_event('never')",
        "unsafe",
        Change.RENAMED,
        ("was renamed",),
    ),
    Edit(
        "it fails now",
        ORDER,
        ORDER.replace("yield ctx.complete(sent)", 'raise ValueError("no")'),
        "unsafe",
        Change.ENDED,
        ("The run ended with the end of the workflow, and the code now ends with the failure of the workflow",),
    ),
    Edit(
        "it failed then",
        ORDER.replace("yield ctx.complete(sent)", 'raise ValueError("no")'),
        ORDER,
        "unsafe",
        Change.ENDED,
        ("The run ended with the failure of the workflow", "nexus rewind ID"),
    ),
    Edit(
        "a step behind the end",
        ORDER,
        ORDER.replace("yield ctx.complete", "yield check(1)\nyield ctx.complete"),
        "unsafe",
        Change.ADDED,
        ("activity 'check'", "was added behind what was the end"),
    ),
    Edit(
        "it goes on as new",
        "yield charge(amount)",
        "yield charge(amount)\nyield ctx.continue_as_new(1)",
        "unsafe",
        Change.ENDED,
        ("The run ended with the end of the workflow, and the code now ends with continue_as_new",),
    ),
    # --- unsafe, and no question of order: the recorded values do not fit ---
    Edit(
        "a parameter renamed",
        ORDER,
        "@workflow\nasync def flow(ctx: Context, cents: int = 5):\n    paid = yield charge(cents)",
        "unsafe",
        None,
        ("flow() has no parameter 'amount', which was recorded", "not remove or rename any"),
    ),
    Edit(
        "a parameter without a default",
        ORDER,
        "@workflow\nasync def flow(ctx: Context, amount: int, gift: bool):\n    paid = yield charge(amount)",
        "unsafe",
        None,
        ("flow() needs 'gift', which was not recorded",),
    ),
    Edit(
        "a forgotten yield",
        ORDER,
        ORDER.replace("sent = yield ship(paid)", "sent = ship(paid)\nsent = 1"),
        "unsafe",
        None,
        ("activity 'ship' built at flow.py:", "A forgotten `yield`"),
    ),
]
