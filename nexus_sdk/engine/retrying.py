"""Whether and when a failed attempt is followed by another. A pure function of what is recorded."""

from __future__ import annotations

from nexus_sdk.authoring.duration import text_of
from nexus_sdk.codec.trimming import trimmed
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.frozen import changed
from nexus_sdk.core.options import RetryPolicy, RetryRule
from nexus_sdk.core.request import ActivityRequest

WORKER_LOST = "WorkerLost"
DEAD_LETTERED = "DeadLettered"
TIMED_OUT = "TimedOut"
HEARTBEAT_TIMED_OUT = "HeartbeatTimedOut"


def worker_lost() -> Failure:
    """The failure of an attempt whose worker died, or lost its lease, before it reported anything."""
    return Failure(WORKER_LOST, "the worker died, or lost its lease, while it ran the attempt", ("builtins:Exception",))


def dead_lettered(why: str) -> Failure:
    """The failure of an activity that the store's queue has given up."""
    return Failure(DEAD_LETTERED, f"the queue gave it up: {why}", ("builtins:Exception",), retryable=False)


def timed_out(what: str, kind: str = TIMED_OUT) -> Failure:
    """The failure of an attempt that took too long."""
    return Failure(kind, what, ("builtins:TimeoutError", "builtins:OSError", "builtins:Exception"))


def over_in_all(request: ActivityRequest) -> str:
    """What is said when the time for all attempts is over."""
    return (
        f"schedule_to_close: the time for all attempts ({text_of(request.options.schedule_to_close_us or 0)}) is over"
    )


def rule_for(policy: RetryPolicy, failure: Failure) -> RetryRule | None:
    """The rule that decides about a failure, None when it is not to be retried."""
    if not failure.retryable or any(failure.is_type(name) for name in policy.never_on):
        return None
    return next((rule for rule in policy.rules if any(failure.is_type(name) for name in rule.errors)), None)


LOGGED_MAX = 20
"""Failed attempts that an activity's log tells of: the first one and the latest ones."""

LOGGED_BYTES_MAX = 4_000
"""What each of them takes at most, once another attempt has failed."""


def logged(request: ActivityRequest, *failures: Failure) -> ActivityRequest:
    """The request of the attempt that follows these failures. Its size is bounded, however many there were."""
    for failure in failures:
        *earlier, last = (*request.failures, failure)
        kept = [trimmed(one, LOGGED_BYTES_MAX) for one in earlier]
        left_out = request.left_out
        if len(kept) >= LOGGED_MAX:
            left_out = _counted(request.options.retry, left_out, kept.pop(1))
        request = changed(request, failures=(*kept, last), left_out=left_out)
    return request


def _counted(policy: RetryPolicy, left_out: tuple[int, ...], failure: Failure) -> tuple[int, ...]:
    counts = list(left_out) or [0] * (len(policy.rules) + 1)
    rule = rule_for(policy, failure)
    counts[len(policy.rules) if rule is None else policy.rules.index(rule)] += 1
    return tuple(counts)


def tries_under(request: ActivityRequest, rule: RetryRule) -> int:
    """How many of the failed attempts fell under a rule of the request's policy."""
    policy = request.options.retry
    others = request.left_out[policy.rules.index(rule)] if request.left_out else 0
    return others + sum(rule_for(policy, failure) is rule for failure in request.failures)


def delay_before_next(
    request: ActivityRequest, *, now_us: int, fraction: float, retry_after_us: int | None = None
) -> int | None:
    """Microseconds until the next attempt, or None when the last failure is final.

    Args:
        request: with the failures of all attempts so far, the last one included: see `logged`.
        fraction: the drawn jitter, from [0, 1).
        retry_after_us: what the activity itself asked for; replaces the computed delay.
    """
    rule = rule_for(request.options.retry, request.failures[-1])
    if rule is None:
        return None
    used = tries_under(request, rule)
    if used >= rule.max_attempts:
        return None
    delay_us = full_delay_us(rule, used) if retry_after_us is None else retry_after_us
    if rule.jitter == "full" and retry_after_us is None:
        delay_us = int(delay_us * fraction)
    next_us = now_us + delay_us
    started_us = request.first_started_us if request.first_started_us is not None else now_us
    if rule.max_duration_us is not None and next_us > started_us + rule.max_duration_us:
        return None
    to_close_us = request.options.schedule_to_close_us
    if to_close_us is not None and next_us >= request.scheduled_at_us + to_close_us:
        return None
    return delay_us


def full_delay_us(rule: RetryRule, failures: int) -> int:
    """The delay after so many failures, before jitter."""
    try:
        delay = rule.initial_us * rule.factor ** (failures - 1)
    except OverflowError:
        return rule.max_interval_us
    return int(min(delay, rule.max_interval_us))
