"""Every knob of `Retry`, and what an activity says about its own failure."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from nexus_sdk import ActivityFailed, ApplicationError, Context, Retry, activity, activity_info, workflow
from nexus_sdk.codec import MsgpackCodec
from nexus_sdk.codec.wire import decode_request, encode_request
from nexus_sdk.core import events as e
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.options import ActivityOptions, RetryPolicy, RetryRule
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.engine.retrying import (
    LOGGED_BYTES_MAX,
    LOGGED_MAX,
    delay_before_next,
    logged,
    tries_under,
    worker_lost,
)

ENV: Any = None
TIMES: list[datetime] = []
FAILURES: list[BaseException] = []
EMPTY = MsgpackCodec().encode(None)


@activity
async def failing() -> int:
    """Fails with what is in FAILURES, then returns the number of its attempt."""
    TIMES.append(ENV.now)
    if FAILURES:
        raise FAILURES.pop(0)
    return activity_info().attempt


@workflow
async def trying(ctx: Context, options: dict[str, Any]) -> list[Any]:
    retry = Retry(**options)
    try:
        return ["returned", await failing.options(retry=retry)()]
    except ActivityFailed as error:
        return [error.type, error.attempts, error.message, error.details]


@pytest.fixture
async def env(environment: Any) -> Any:
    global ENV
    TIMES.clear()
    FAILURES.clear()
    ENV = await environment(trying, failing)
    return ENV


def delays() -> list[float]:
    """Seconds between the attempts."""
    return [round((b - a).total_seconds(), 6) for a, b in pairwise(TIMES)]


async def test_by_default_three_attempts_are_made(env: Any) -> None:
    FAILURES[:] = [ValueError(n) for n in range(5)]
    assert await env.run(trying, {}) == ["ValueError", 3, "2", None]
    assert len(TIMES) == 3


async def test_the_attempt_that_returns_ends_the_retries(env: Any) -> None:
    FAILURES[:] = [ValueError(), KeyError("x")]
    assert await env.run(trying, {"max_attempts": 9}, id="it") == ["returned", 3]
    completed = [event for event in await env.history("it") if isinstance(event, e.ActivityCompleted)]
    assert [(c.attempts, [f.type for f in c.failures]) for c in completed] == [(3, ["ValueError", "KeyError"])]


async def test_one_attempt_means_no_retry(env: Any) -> None:
    FAILURES[:] = [ValueError("once")]
    assert await env.run(trying, {"max_attempts": 1}) == ["ValueError", 1, "once", None]
    assert len(TIMES) == 1


async def test_delays_grow_by_the_factor_up_to_the_longest(env: Any) -> None:
    FAILURES[:] = [ValueError() for _ in range(5)]
    options = {"max_attempts": 6, "initial": "2s", "factor": 3, "max_interval": "30s", "jitter": "none"}
    assert await env.run(trying, options) == ["returned", 6]
    assert delays() == [2, 6, 18, 30, 30]


async def test_the_longest_delay_is_a_hundred_times_the_first_by_default(env: Any) -> None:
    FAILURES[:] = [ValueError() for _ in range(5)]
    options = {"max_attempts": 6, "initial": "500ms", "factor": 10, "jitter": "none"}
    await env.run(trying, options)
    assert delays() == [0.5, 5, 50, 50, 50]


async def test_full_jitter_draws_each_delay_up_to_its_full_length(env: Any) -> None:
    FAILURES[:] = [ValueError() for _ in range(20)]
    options = {"max_attempts": 21, "initial": "10s", "factor": 1}
    await env.run(trying, options)
    assert all(0 <= delay < 10 for delay in delays())
    assert len(set(delays())) == 20
    assert max(delays()) - min(delays()) > 5


async def test_jitter_is_drawn_from_the_environments_chance(environment: Any) -> None:
    seen = []
    for _ in range(2):
        global ENV
        TIMES.clear()
        FAILURES[:] = [ValueError() for _ in range(3)]
        ENV = await environment(trying, failing, seed=7, store="memory://")
        await ENV.run(trying, {"max_attempts": 4})
        seen.append(delays())
    assert seen[0] == seen[1]


async def test_only_what_retry_on_names_is_tried_again(env: Any) -> None:
    FAILURES[:] = [ConnectionResetError(), TimeoutError(), ValueError("no")]
    options = {"max_attempts": 9, "retry_on": ["OSError"]}
    assert await env.run(trying, options) == ["ValueError", 3, "no", None]


async def test_never_on_wins_over_retry_on(env: Any) -> None:
    FAILURES[:] = [OSError(), ConnectionResetError("gone")]
    options = {"max_attempts": 9, "retry_on": ["OSError"], "never_on": ["ConnectionError"]}
    assert await env.run(trying, options) == ["ConnectionResetError", 2, "gone", None]


async def test_retry_on_takes_classes(environment: Any) -> None:
    @activity(retry=Retry(max_attempts=4, retry_on=(LookupError,), never_on=(IndexError,)))
    async def looking() -> None:
        TIMES.append(ENV.now)
        raise [KeyError(), LookupError(), IndexError("end")][len(TIMES) - 1]

    @workflow
    async def calling(ctx: Context):
        try:
            yield looking()
        except ActivityFailed as error:
            yield ctx.complete([error.type, error.attempts, error.is_type(LookupError), error.is_type(OSError)])

    global ENV
    TIMES.clear()
    ENV = await environment(calling, looking)
    assert await ENV.run(calling) == ["IndexError", 3, True, False]


async def test_no_attempt_starts_after_max_duration(env: Any) -> None:
    FAILURES[:] = [ValueError() for _ in range(99)]
    options = {"max_attempts": 99, "initial": "10s", "factor": 1, "jitter": "none", "max_duration": "35s"}
    assert (await env.run(trying, options))[1] == 4
    assert delays() == [10, 10, 10]


async def test_an_application_error_can_forbid_the_retry(env: Any) -> None:
    FAILURES[:] = [ApplicationError("closed", type="ShopClosed", details={"until": 9}, retryable=False)]
    assert await env.run(trying, {}) == ["ShopClosed", 1, "closed", {"until": 9}]


async def test_an_application_error_can_name_the_delay(env: Any) -> None:
    FAILURES[:] = [ApplicationError("later", retry_after="1h"), ApplicationError("now", retry_after=0)]
    assert await env.run(trying, {"initial": "7s", "jitter": "none"}) == ["returned", 3]
    assert delays() == [3600, 0]


async def test_a_delay_that_makes_no_sense_is_ignored_and_noted(env: Any) -> None:
    FAILURES[:] = [ApplicationError("later", retry_after="soon") for _ in range(2)]
    await env.run(trying, {"max_attempts": 2, "initial": "7s", "jitter": "none"}, id="it")
    assert delays() == [7]
    [failed] = [event for event in await env.history("it") if isinstance(event, e.ActivityFailed)]
    assert "retry_after was ignored" in failed.failure.notes[0]


async def test_the_type_of_an_application_error_can_be_matched(env: Any) -> None:
    FAILURES[:] = [ApplicationError(type="Flaky"), ApplicationError(type="Broken")]
    assert (await env.run(trying, {"never_on": ["Broken"]}))[:2] == ["Broken", 2]


async def test_a_result_that_cannot_be_encoded_is_not_tried_again(environment: Any) -> None:
    runs = []

    @activity
    async def odd() -> Any:
        runs.append(1)
        return object()

    @workflow
    async def calling(ctx: Context) -> Any:
        try:
            await odd()
        except ActivityFailed as error:
            return [error.type, error.attempts, len(runs)]

    env = await environment(calling, odd)
    assert await env.run(calling) == ["PayloadError", 1, 1]


async def test_a_retry_that_waits_outlives_its_worker(environment: Any) -> None:
    global ENV
    TIMES.clear()
    FAILURES[:] = [ValueError(), ValueError()]
    env = ENV = await environment(trying, failing, clock="manual")
    handle = await env.start(trying, {"initial": "1h", "jitter": "none"})
    await env.settle()
    await env.crash_worker()
    await env.advance("10m")
    await env.restart_worker()
    await env.advance("3h")
    assert await handle.result() == ["returned", 3]
    assert delays() == [3600, 7200]


def asked(**retry: Any) -> ActivityRequest:
    options = ActivityOptions(retry=Retry(**retry).policy())
    nothing: Any = None
    return ActivityRequest("i", "r", "0", "w", "1", "a", nothing, options, 0)


def failure(name: str, text: str = "") -> Failure:
    return Failure(name, text, (f"builtins:{name}", "builtins:Exception"), traceback=text)


def test_delays_never_overflow() -> None:
    tried = logged(asked(max_attempts=10_000, factor=1e9), *[failure("ValueError")] * 5_000)
    delay_us = delay_before_next(tried, now_us=0, fraction=random.Random(1).random())
    assert delay_us is not None
    assert 0 <= delay_us <= 100_000_000


# --- the log of attempts ---------------------------------------------------------------------------------------------


def test_a_log_of_many_attempts_is_bounded_and_counts_them_all() -> None:
    first = failure("ValueError", "the first")
    tried = logged(asked(max_attempts=100_000), first, *[failure("ValueError", "x" * 9_000)] * 5_000)
    assert tried.tries == 5_001
    assert len(tried.failures) == LOGGED_MAX
    assert tried.failures[0] == first
    assert tried.failures[-1].message == "x" * 9_000
    assert len(encode_request(replace(tried, arguments=EMPTY))) < LOGGED_MAX * LOGGED_BYTES_MAX + 20_000


def test_attempts_that_are_left_out_of_the_log_count_under_their_rule() -> None:
    policy = RetryPolicy((RetryRule(("builtins:KeyError",), 40, 1), RetryRule(("builtins:ValueError",), 30, 1)))
    tried = replace(asked(), options=ActivityOptions(retry=policy))
    for number in range(29):
        tried = logged(tried, failure("KeyError"), failure("ValueError"), worker_lost())
        assert [tries_under(tried, rule) for rule in policy.rules] == [number + 1] * 2
    assert tried.tries == 3 * 29
    tried = logged(tried, failure("ValueError"))
    assert delay_before_next(tried, now_us=0, fraction=0) is None
    assert delay_before_next(logged(tried, failure("KeyError")), now_us=0, fraction=0) is not None


def test_the_log_survives_its_encoding() -> None:
    tried = logged(replace(asked(max_attempts=99), arguments=EMPTY), *[failure("ValueError")] * 50)
    assert decode_request(encode_request(tried)) == tried


async def test_an_activity_that_fails_a_hundred_times_says_so(env: Any) -> None:
    FAILURES[:] = [ValueError(number) for number in range(100)]
    assert await env.run(trying, {"max_attempts": 100, "initial": "1s", "factor": 1}, id="it") == [
        *("ValueError", 100, "99", None)
    ]
    batches = (await env.history("it")).batches
    (end,) = [event for batch in batches for event in batch.events if isinstance(event, e.ActivityFailed)]
    told = [one.message for one in end.failures]
    assert told == ["0", *(str(number) for number in range(81, 99))]
