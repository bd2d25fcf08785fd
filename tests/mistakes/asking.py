"""Asking for what is not there: unknown workflows, instances, queries; and for what a status does not allow."""

from __future__ import annotations

from typing import Any

from nexus_sdk import Nexus
from tests.mistakes import orders
from tests.mistakes.bench import LONG, Bench, Python, Row, Typed

_VERBS = ("status", "result", "history", "cancel", "terminate", "suspend", "resume", "rewind", "purge")


def _handle(verb: str, *arguments: Any) -> Python:
    return Python(verb, lambda bench, id: getattr(bench.client.get(id), verb)(*arguments))


def _typed(verb: str, *rest: str, exit_code: int = 1) -> Typed:
    return Typed(verb, lambda bench, id: (verb, id, *rest), exit_code=exit_code)


_START = (
    Python("start", lambda bench, workflow: bench.fresh.start(workflow)),
    Python("run", lambda bench, workflow: bench.app_on("sqlite:///fresh.db").run_async(workflow)),
)


async def _await(bench: Bench, call: Any) -> Any:
    return await call()


ROWS = [
    Row(
        "a workflow with a near name",
        "fulfill",
        "NX101",
        ("no workflow is called 'fulfill'", "Did you mean 'fulfil'?"),
        _START,
    ),
    Row("a workflow with no near name", "zebra", "NX101", ("no workflow is called 'zebra'", "Known:"), _START),
    Row("a workflow with a long name", LONG, "NX101", ("no workflow is called a str of",), _START),
    Row(
        "a function for a workflow", orders.fulfil.fn, "NX101", ("what @workflow made", "the function 'fulfil'"), _START
    ),
    Row("an activity for a workflow", orders.charge, "NX101", ("what @workflow made", "<activity 'charge'>"), _START),
    Row("nothing for a workflow", None, "NX101", ("what @workflow made, or a call of it, got None",), _START),
    Row(
        "a workflow that the app does not serve",
        orders.keep,
        "NX101",
        ("does not serve workflow 'keep'", "workflows=[…]"),
        (Python("start", lambda bench, workflow: bench.kept(Nexus("sqlite:///fresh.db")).client().start(workflow)),),
    ),
    Row(
        "a workflow that is awaited",
        lambda: orders.keep(1),
        "NX101",
        ("cannot be awaited outside", "app.run(keep"),
        (Python("await", _await),),
    ),
    Row(
        "an activity called without its argument",
        orders.charge,
        "NX102",
        ("charge(): missing", "(amount)"),
        (Python("call", lambda bench, charge: charge()),),
    ),
    Row(
        "an instance nobody started",
        "nobody",
        "NX301",
        ("nobody: no such instance", "Check the id"),
        (
            *map(_handle, _VERBS),
            _handle("send_event", "approved"),
            _handle("query", "progress"),
            _typed("show"),
            _typed("history"),
            _typed("event", "approved"),
            _typed("query", "progress", "--app", "orders"),
            *(_typed(verb) for verb in ("cancel", "terminate", "suspend", "resume", "rewind")),
            _typed("purge", "--yes"),
        ),
    ),
    Row(
        "a message to a finished instance",
        "done",
        "NX303",
        ("done: the instance is completed", "Start a new instance"),
        (
            _handle("send_event", "approved"),
            *(_handle(verb) for verb in ("cancel", "terminate", "suspend", "resume")),
            _typed("event", "approved"),
            *(_typed(verb) for verb in ("cancel", "terminate", "suspend", "resume")),
        ),
    ),
    Row(
        "a message to a failed instance",
        "failed",
        "NX303",
        ("failed: the instance is failed", "Rewind it"),
        (_handle("send_event", "approved"), _typed("event", "approved")),
    ),
    Row(
        "a rewind of what waits",
        "waiting",
        "NX304",
        ("only a failed instance can be rewound", "waiting is"),
        (_handle("rewind"), _typed("rewind")),
    ),
    Row(
        "a rewind of what is done",
        "done",
        "NX304",
        ("done is completed", "Start a new instance"),
        (_handle("rewind"), _typed("rewind")),
    ),
    Row(
        "a purge of what waits",
        "waiting",
        "NX401",
        ("only a finished instance can be purged", "Cancel or terminate"),
        (_handle("purge"), _typed("purge", "--yes")),
    ),
    Row(
        "a query nobody answers",
        "waiting",
        "NX320",
        ("no query 'progres'", "there are: progress"),
        (_handle("query", "progres"), _typed("query", "progres", "--app", "orders")),
    ),
    Row(
        "a query by an app without the workflow",
        "waiting",
        "NX101",
        ("which this app does not have", "name the app"),
        (
            Python(
                "query",
                lambda bench, id: (
                    bench.kept(Nexus(f"sqlite:///{bench.folder}/nexus.db")).client().get(id).query("progress")
                ),
            ),
            _typed("query", "progress", exit_code=2),
        ),
    ),
    Row(
        "an id that is taken",
        "waiting",
        "NX302",
        ("waiting", "Choose another id"),
        (
            Python("start", lambda bench, id: bench.client.start(orders.keep, id=id)),
            Python("attach", lambda bench, id: bench.client.start(orders.keep, id=id, on_conflict="attach")),
            Python("run", lambda bench, id: bench.app.run_async(orders.keep, id=id)),
            Typed("start", lambda bench, id: ("start", "orders:keep", "--id", id), exit_code=1),
            Typed("run", lambda bench, id: ("run", "orders:keep", "--id", id, "--input", "5"), exit_code=1),
        ),
    ),
]
