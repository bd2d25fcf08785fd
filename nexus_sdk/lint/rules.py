"""The rules: code, name, severity, why it would not replay, and what to write instead. A table; no behaviour.

0xx lint itself · 1xx what differs at every run · 2xx the world · 3xx foreign event loops · 4xx operations ·
5xx what outlives the run · 6xx ends · 7xx what is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`ERROR`: it breaks a run or its replay. `WARNING`: it can be meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that lint looks for.

    Attributes:
        code: stable, e.g. ``NXL101``.
        name: for people and for SARIF, e.g. ``clock``.
        reason: why it is wrong in a workflow.
        replacement: what to write instead.
    """

    code: str
    name: str
    severity: Severity
    reason: str
    replacement: str


_E, _W = Severity.ERROR, Severity.WARNING

_TABLE = (
    # --- 0xx: lint itself
    Rule("NXL001", "unreadable", _E, "it cannot be read as Python", "mend the file"),
    Rule(
        "NXL002",
        "ignore-without-reason",
        _E,
        "a suppression names its codes and its reason",
        "# nexus: ignore[NXL101] the reason",
    ),
    Rule("NXL003", "ignore-unknown-code", _E, "there is no such rule", "one of the codes that lint prints"),
    Rule("NXL004", "ignore-unused", _W, "nothing was found here that it could suppress", "remove the comment"),
    # --- 1xx: what differs at every run
    Rule("NXL101", "clock", _E, "the clock has moved on when this is replayed", "ctx.now()"),
    Rule(
        "NXL102",
        "blocking-sleep",
        _E,
        "it blocks the worker, and the wait is lost with the process",
        "yield ctx.sleep(…)",
    ),
    Rule("NXL103", "randomness", _E, "it draws something else at every replay", "ctx.random"),
    Rule("NXL104", "uuid", _E, "it makes another id at every replay", "ctx.uuid4()"),
    Rule(
        "NXL105",
        "environment",
        _E,
        "it differs between machines and processes",
        "an argument of the workflow, or yield ctx.side_effect(fn)",
    ),
    Rule(
        "NXL106",
        "object-identity",
        _E,
        "addresses and hashes differ between processes",
        "a key of the data itself, or hashlib",
    ),
    Rule("NXL107", "set-order", _E, "the order of a set differs between processes", "sorted(…)"),
    # --- 2xx: the world
    Rule("NXL201", "file", _E, "files change between replays, and a write is repeated by each", "an @activity"),
    Rule("NXL202", "network", _E, "a replay would call again, and be answered differently", "an @activity"),
    Rule("NXL203", "database", _E, "a replay would ask again, and be answered differently", "an @activity"),
    Rule(
        "NXL204",
        "thread",
        _E,
        "strands of a workflow run in the order of its history, threads do not",
        "ctx.gather, ctx.map or ctx.spawn",
    ),
    Rule("NXL205", "process", _E, "a replay would run the program again", "an @activity"),
    Rule("NXL206", "terminal", _E, "nobody answers a replay", "yield ctx.wait_for_event(…)"),
    # --- 3xx: foreign event loops
    Rule("NXL301", "asyncio", _E, "a workflow has no event loop", "the operations of ctx"),
    Rule(
        "NXL302",
        "foreign-async",
        _E,
        "it awaits something that is no operation; a workflow has no event loop",
        "an @activity",
    ),
    Rule(
        "NXL303",
        "asyncio-cancelled",
        _W,
        "asyncio's CancelledError never arrives in a workflow",
        "nexus_sdk.CancelledError",
    ),
    # --- 4xx: operations
    Rule("NXL401", "forgotten-yield", _E, "an operation does nothing until it is yielded or awaited", "yield …"),
    Rule("NXL402", "operation-never-used", _E, "an operation does nothing until it is yielded or awaited", "yield …"),
    Rule("NXL403", "illegal-yield", _E, "only operations may be yielded", "yield an operation"),
    Rule(
        "NXL404",
        "return-in-generator",
        _E,
        "an async generator cannot return a value",
        "yield ctx.complete(…)",
    ),
    Rule(
        "NXL405",
        "not-async",
        _E,
        "a workflow is an async generator or a coroutine function",
        "async def",
    ),
    Rule("NXL406", "raw-function", _E, "it runs the function here, unrecorded", "yield …"),
    Rule(
        "NXL407",
        "context-in-activity",
        _E,
        "an activity runs elsewhere, without the workflow's context",
        "pass what it needs as arguments; activity_info()",
    ),
    Rule(
        "NXL408",
        "activity-only",
        _E,
        "there is no attempt in a workflow",
        "call it in an @activity",
    ),
    Rule(
        "NXL409",
        "client-in-workflow",
        _E,
        "a client does I/O, which a replay would repeat",
        "a child workflow, ctx.send_event(…), or an @activity",
    ),
    # --- 5xx: what outlives the run
    Rule(
        "NXL501",
        "global-written",
        _E,
        "what is outside the workflow is not recorded: replays and other instances write it too",
        "a local variable, an argument, or an @activity",
    ),
    Rule(
        "NXL502",
        "outside-state",
        _E,
        "what is outside the workflow is not recorded: replays and other instances change it too",
        "a local variable, an argument, or an @activity",
    ),
    Rule(
        "NXL503",
        "rewritten-global",
        _W,
        "a function of this module rewrites it: a replay may read another value",
        "an argument, or yield ctx.side_effect(fn)",
    ),
    Rule(
        "NXL504",
        "decides-by-replaying",
        _E,
        "it is false when the code runs first and true when it is replayed",
        "ctx.patched(…) for changed code; nothing otherwise",
    ),
    # --- 6xx: ends
    Rule(
        "NXL601",
        "swallowed-ending",
        _E,
        "it also catches cancellation, and what unwinds a workflow that ends or is dropped",
        "except Exception, or raise at its end",
    ),
    Rule(
        "NXL602",
        "finally-left-early",
        _W,
        "leaving `finally` swallows what was under way, cancellation too",
        "leave after the try",
    ),
    Rule(
        "NXL603",
        "endless-history",
        _W,
        "its history grows for ever, and is replayed from its beginning",
        "for _ in range(…), then yield ctx.continue_as_new(…)",
    ),
    Rule(
        "NXL604",
        "finally-may-not-run",
        _W,
        "when the loop over this generator is left early, its `finally` never runs",
        "a try in the workflow's own body",
    ),
    # --- 7xx: what is said
    Rule("NXL701", "print", _W, "it is said again at every replay", "ctx.log.info(…)"),
)

RULES: Mapping[str, Rule] = {rule.code: rule for rule in _TABLE}
