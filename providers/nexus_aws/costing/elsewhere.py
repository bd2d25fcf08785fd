"""The same work on what else AWS has: Step Functions Standard, and Lambda durable functions.

Neither can be run here, so both are counted from the work, in their favour where their rules leave it open. Their
activities run on Lambda as well, with the same memory and as long.
"""

from __future__ import annotations

from math import ceil

from nexus_sdk.costing.comparing import Offer
from nexus_sdk.costing.estimate import HOURS_A_MONTH, Assumptions
from nexus_sdk.costing.work import Work

GB = 2**30
DURABLE_OPERATIONS_MAX = 3_000
"""So many operations AWS lets an execution have."""


def step_functions(work: Work, assumptions: Assumptions, *, log_bytes: int) -> Offer:
    """A state for each activity, timer, event and child, one for each fan-out, and one to begin; retries count again.

    Choices, passes and what reads or shapes data would be states, too; they are Python here, and not counted.
    """
    states = work.attempts + work.timers + work.events + work.children + work.fan_outs
    seconds = work.attempts * ceil(assumptions.activity_ms + assumptions.overhead_ms) / 1_000
    return Offer(
        "Step Functions Standard",
        {
            "stepfunctions.transition": work.runs + states,
            "lambda.request": work.attempts,
            "lambda.gb_second": seconds * assumptions.memory_mb / 1_024,
            "logs.gb": work.attempts * log_bytes / GB,
        },
        {},
        (
            "a transition for each start, attempt, timer, event, child and fan-out; none for decisions, which would "
            "be Choice states",
            "each attempt invokes a function of its own",
            "history is kept by the service for 90 days, free of charge",
        ),
    )


def durable_functions(work: Work, assumptions: Assumptions, *, worked_us: int, log_bytes: int) -> Offer:
    """An operation for each start, attempt, timer, event and child; the function runs the activities itself.

    It is invoked once for each start, and again after each wait. Contexts of fan-outs are not counted.
    """
    operations = work.runs + work.attempts + work.timers + work.events + work.children
    invocations = work.runs + work.waits
    milliseconds = worked_us / 1_000 + operations * assumptions.request_ms + invocations * assumptions.overhead_ms
    kept_months = assumptions.keep_days * 24 / HOURS_A_MONTH
    over = (f"AWS allows {DURABLE_OPERATIONS_MAX:,} operations in an execution",)
    return Offer(
        "Lambda durable functions",
        {
            "durable.operation": operations,
            "durable.written_gb": work.value_bytes / GB,
            "durable.retained_gb_month": work.value_bytes / GB * kept_months,
            "lambda.request": invocations,
            "lambda.gb_second": ceil(milliseconds) / 1_000 * assumptions.memory_mb / 1_024,
            "logs.gb": invocations * log_bytes / GB,
        },
        {},
        (
            "an operation for each start, attempt, timer, event and child; contexts of fan-outs are not counted",
            "the function runs the activities itself, and is invoked again after each wait",
            *(over if operations > DURABLE_OPERATIONS_MAX else ()),
        ),
    )
