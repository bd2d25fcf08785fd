"""Definitions that make no sense. A row's thing is the text of a user's module; it fails where it is imported."""

from __future__ import annotations

from tests.mistakes.bench import SECRET, Bench, Python, Row, Typed

_HEAD = """from __future__ import annotations
import math
from nexus_sdk import Context, Nexus, Retry, activity, workflow

LONG = "x" * 100 + "{secret}" * 1000

@activity
def charge(amount: float) -> float:
    return amount

@workflow
async def fulfil(ctx: Context, order: str):
    yield ctx.complete(order)

""".replace("{secret}", SECRET)


def _execute(bench: Bench, text: str) -> None:
    exec(compile(_HEAD + text, "broken.py", "exec", dont_inherit=True), {"__name__": "broken"})


def _write(bench: Bench, text: str) -> str:
    (bench.folder / "broken.py").write_text(_HEAD + text)
    return "broken"


FACES = (
    Python("import", _execute),
    Typed("run", lambda bench, text: ("run", _write(bench, text) + ":fulfil", "--store", "sqlite:///fresh.db")),
    Typed("worker", lambda bench, text: ("worker", _write(bench, text), "--store", "sqlite:///fresh.db")),
)


def _row(name: str, text: str, *words: str, code: str = "NX101") -> Row:
    return Row(name, text, code, words, FACES, is_theirs=True)


_OTHER_BODY = "    yield ctx.complete(1)\n"

ROWS = [
    _row("attempts of none", "Retry(max_attempts=0)", "max_attempts", "from 1 on, got 0"),
    _row("negative attempts", "Retry(max_attempts=-1)", "from 1 on, got -1"),
    _row("half an attempt", "Retry(max_attempts=1.5)", "a whole number", "got 1.5"),
    _row("attempts in words", "Retry(max_attempts=LONG)", "got a str of"),
    _row("attempts beyond counting", "Retry(max_attempts=10**30)", "1,000,000,000 is the most"),
    _row("a factor below 1", "Retry(factor=0.5)", "factor", "from 1 on, got 0.5"),
    _row("a factor that is NaN", "Retry(factor=math.nan)", "got nan"),
    _row("an infinite factor", "Retry(factor=math.inf)", "got inf"),
    _row("a factor of 400 digits", "Retry(factor=10**400)", "got a number of"),
    _row("a factor in words", "Retry(factor='2')", "got '2'"),
    _row("a jitter nobody knows", "Retry(jitter='some')", "'full' or 'none', got 'some'"),
    _row("never_on a number", "Retry(never_on=5)", "never_on takes exception classes or their names, got 5"),
    _row("never_on a class that is no exception", "Retry(never_on=(int,))", "got the class 'int'"),
    _row("retry_on an empty name", "Retry(retry_on=('',))", "1 to 256 characters"),
    _row("a negative first delay", "Retry(initial=-1)", "initial", "cannot be negative"),
    _row("a first delay in words", "Retry(initial=LONG)", "is not a duration"),
    _row("a first delay beyond the longest", "Retry(initial='1m', max_interval='1s')", "max_interval (1s) is shorter"),
    _row("a negative longest time", "Retry(max_duration=-1)", "max_duration", "cannot be negative"),
    _row(
        "two workflows of one name and version",
        f"@workflow(name='fulfil')\nasync def other(ctx):\n{_OTHER_BODY}Nexus(workflows=[fulfil, other])",
        "two workflows are called 'fulfil' in version '1'",
        "another version",
    ),
    _row(
        "two activities of one name",
        "@activity(name='charge')\ndef other(): ...\nNexus(activities=[charge, other])",
        "two activities are called 'charge'",
        "Rename one",
    ),
    _row(
        "a plain function as a workflow",
        "@workflow\ndef flow(ctx): ...",
        "'flow' must be an async generator",
        "plain functions are activities",
    ),
    _row("a plain generator as a workflow", "@workflow\ndef flow(ctx):\n    yield", "must be an async generator"),
    _row("a class as a workflow", "workflow(dict)", "takes a function, got the class 'dict'"),
    _row("a workflow without ctx", "@workflow\nasync def flow():\n    yield", "needs `ctx`", "async def flow(ctx"),
    _row("an activity as a workflow", "workflow(charge)", "takes a function, got <activity 'charge'>"),
    _row("a workflow as an activity", "activity(fulfil)", "takes a function, got <workflow 'fulfil'"),
    _row(
        "a generator as an activity", "@activity\ndef many():\n    yield 1", "'many' is a generator", "Return a value"
    ),
    _row("a lambda as an activity", "activity(lambda: 1)", "needs a name for the function", 'name="…"'),
    _row("an empty name for a workflow", "workflow(name='')(fulfil.fn)", "needs a name"),
    _row("a number for a name", "workflow(name=5)(fulfil.fn)", "is a text, got 5"),
    _row("a reserved name for an activity", "activity(name='nexus:x')(charge.fn)", "'nexus:' are reserved"),
    _row("a long name", "activity(name=LONG)(charge.fn)", "1 to 256 characters"),
    _row("a version that is a number", "workflow(version=2)(fulfil.fn)", "version is a text, got 2"),
    _row("an empty version", "workflow(version='')(fulfil.fn)", "version has 1 to 256"),
    _row(
        "a negative timeout of a workflow", "workflow(timeout=-1)(fulfil.fn)", "workflow 'fulfil': timeout", "negative"
    ),
    _row("a timeout in words", "activity(timeout=LONG)(charge.fn)", "timeout: a str of", "is not a duration"),
    _row(
        "an option nobody knows for an activity",
        "activity(retries=2)(charge.fn)",
        "no option 'retries'",
        "There are: retry",
    ),
    _row("retry as a number", "activity(retry=3)(charge.fn)", "retry takes a Retry(…), got 3"),
    _row("local as a number", "activity(local=1)(charge.fn)", "local takes True or False, got 1"),
    _row("a queue without a name for an activity", "activity(task_queue='')(charge.fn)", "task_queue has 1 to 256"),
    _row("a queue with blanks at the ends", "activity(task_queue=' a')(charge.fn)", "no blanks at either end"),
    _row("a reserved queue", "activity(task_queue='nexus:turns')(charge.fn)", "reserved"),
    _row(
        "an undo that is no activity",
        "activity(compensate=print)(charge.fn)",
        "compensate= takes an activity",
        "Decorate it",
    ),
    _row(
        "an app of a plain function",
        "Nexus(workflows=[print])",
        "takes what @workflow made",
        "Decorate it with @workflow",
    ),
    _row(
        "an app with an activity as a workflow",
        "Nexus(workflows=[charge])",
        "got <activity 'charge'>",
        "activities=[…]",
    ),
    _row(
        "an app of one workflow without a list",
        "Nexus(workflows=fulfil)",
        "takes a list of definitions",
        "workflows=[…]",
    ),
    _row("an app on a number", "Nexus(5)", "a store is a URL or an open store, got 5", "sqlite:///orders.db"),
    _row("an app with a codec that is none", "Nexus(codec=5)", "a codec encodes and decodes, got 5"),
]
