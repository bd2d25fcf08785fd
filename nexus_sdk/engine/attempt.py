"""One attempt of an activity: run the function, keep it alive, stop it when told, say how it ended."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import Any

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.duration import text_of, to_us
from nexus_sdk.authoring.info import ActivityInfo, current_attempt
from nexus_sdk.codec.failures import failure_from
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.engine.environment import Cancellable, Environment
from nexus_sdk.engine.retrying import HEARTBEAT_TIMED_OUT, over_in_all, timed_out
from nexus_sdk.errors import (
    ApplicationError,
    CancelledError,
    InvalidArgument,
    PayloadError,
    PayloadUnreadable,
    StoreError,
)
from nexus_sdk.store.port import Extended, TaskDelivery


class Stop(Enum):
    """Why an attempt is told to stop."""

    CANCELLED = auto()
    """The workflow asked for it."""
    TIMED_OUT = auto()
    """It took too long."""
    SILENT = auto()
    """No heartbeat came in time."""
    LOST = auto()
    """Another holds the delivery: whatever comes of it does not count."""
    DRAINED = auto()
    """The worker is going down and gives the delivery back."""


@dataclass(frozen=True, slots=True)
class Returned:
    """It returned a value."""

    result: Payload


@dataclass(frozen=True, slots=True)
class Failed:
    """It raised, or was stopped for taking too long. `retry_after_us`: what it asked for itself."""

    failure: Failure
    retry_after_us: int | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """It stopped because it was told to."""

    why: Stop


Ending = Returned | Failed | Stopped

Beat = Callable[[TaskDelivery, bytes | None], Awaitable[Extended]]
"""Prolongs the lease, with the latest heartbeat details."""


class RunningAttempt:
    """An attempt that runs in this worker. It is what `activity_info()` and `heartbeat()` speak to."""

    def __init__(
        self,
        delivery: TaskDelivery,
        request: ActivityRequest,
        activity: Activity[Any, Any],
        *,
        codec: Codec,
        environment: Environment,
        beat: Beat,
        encode_details: Callable[[Payload], bytes],
        previous_details: Any,
        context: Context,
    ) -> None:
        self.delivery = delivery
        self.request = request
        self.details: bytes | None = None
        self._activity = activity
        self._codec = codec
        self._environment = environment
        self._beat = beat
        self._encode_details = encode_details
        self._previous_details = previous_details
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._deadline_us = self._deadline()
        self._last_beat_us = environment.clock.now_us()
        self._stop: Stop | None = None
        self._is_over = False
        self._timers: list[Cancellable] = []
        self._beating: asyncio.Task[None] | None = None
        self._is_beat_due = False

    # --- for the activity -------------------------------------------------------------------------------------------

    def info(self) -> ActivityInfo:
        """See `Attempt.info`."""
        remaining = None
        if self._deadline_us is not None:
            remaining = timedelta(microseconds=max(0, self._deadline_us - self._environment.clock.now_us()))
        return ActivityInfo(
            self.request.instance_id,
            self.request.name,
            self.delivery.task.attempt,
            self.delivery.task.id,
            remaining,
            self._previous_details,
            self.request.workflow,
            self.request.options.task_queue,
        )

    def heartbeat(self, details: Any) -> None:
        """See `Attempt.heartbeat`. May be called from any thread."""
        if self._stop is not None:
            raise CancelledError(f"the activity was asked to stop: {self._stop.name.lower().replace('_', ' ')}")
        if details is not None:
            self.details = self._encode_details(self._codec.encode(details))
        self._last_beat_us = self._environment.clock.now_us()
        self._loop.call_soon_threadsafe(self._beat_soon)

    # --- for the worker ---------------------------------------------------------------------------------------------

    def stop(self, why: Stop) -> None:
        """Tell it to stop: at its next heartbeat, an async one at once. The first reason counts."""
        if self._stop is not None or self._is_over:
            return
        self._stop = why
        is_hopeless = why in (Stop.TIMED_OUT, Stop.SILENT, Stop.LOST, Stop.DRAINED)
        # A thread cannot be stopped. One that must be given up is left behind; one that was only asked to stop
        # is waited for, so that its true outcome is known.
        if (self._activity.is_async or is_hopeless) and self._task is not None:
            self._task.cancel()

    async def run(self) -> Ending:
        """Run the function to its end. Must be called by the task that made this object.

        Raises:
            PayloadUnreadable: its arguments cannot be read by this process; nothing was run.
        """
        try:
            args, kwargs = self._arguments()
        except PayloadUnreadable:
            raise
        except PayloadError as refused:
            return Failed(self._described(refused, retryable=False))
        self._arm()
        value: Any = None
        error: BaseException | None
        try:
            try:
                value, error = await self._call(args, kwargs)
            except BaseException as raised:
                error = raised
            self._is_over = True
            if error is not None:
                return self._ended_by(error)
        finally:
            self._is_over = True
            self._disarm()
            if self._stop is not None and self._task is not None and self._task.cancelling():
                self._task.uncancel()  # it was this attempt that was told to stop, not the task it runs in
        if self._stop in (Stop.TIMED_OUT, Stop.SILENT, Stop.LOST):
            return self._ended_by(CancelledError())
        try:
            return Returned(self._codec.encode(value))
        except PayloadError as refused:
            return Failed(self._described(refused, retryable=False))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        recorded = self._codec.decode(self.request.arguments)
        return self._activity.signature.unbind({} if recorded is None else recorded, self._codec)

    async def _call(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any, BaseException | None]:
        """What the function returned, or what it raised in its thread."""
        run, fn = self._context.run, self._activity.fn
        run(current_attempt.set, self)
        if self._activity.is_async:
            made = fn(*args, **kwargs)
            return await _run_in(self._context, made if hasattr(made, "send") else _awaiting(made)), None
        call = _InThread(fn, args, kwargs)
        await self._loop.run_in_executor(self._environment.executor, run, call)
        return call.value, call.error

    def _deadline(self) -> int | None:
        options, now_us = self.request.options, self._environment.clock.now_us()
        limits = []
        if options.start_to_close_us is not None:
            limits.append(now_us + options.start_to_close_us)
        if options.schedule_to_close_us is not None:
            limits.append(self.request.scheduled_at_us + options.schedule_to_close_us)
        return min(limits, default=None)

    def _arm(self) -> None:
        clock = self._environment.clock
        if self._deadline_us is not None:
            self._timers.append(clock.call_at(self._deadline_us, lambda: self.stop(Stop.TIMED_OUT)))
        if self.request.options.heartbeat_us is not None:
            self._watch_heartbeat(self.request.options.heartbeat_us)

    def _watch_heartbeat(self, heartbeat_us: int) -> None:
        silent_us = self._last_beat_us + heartbeat_us

        def look() -> None:
            if self._is_over:
                return
            if self._environment.clock.now_us() >= self._last_beat_us + heartbeat_us:
                self.stop(Stop.SILENT)
            else:
                self._watch_heartbeat(heartbeat_us)

        self._timers.append(self._environment.clock.call_at(silent_us, look))
        del self._timers[:-2]  # those before have gone off

    def _disarm(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._beating is not None:
            self._beating.cancel()  # a beat that is still on its way means nothing any more

    def _beat_soon(self) -> None:
        """Prolong the lease in the background; beats that come meanwhile are one more, with the latest details."""
        self._is_beat_due = True
        if self._beating is None or self._beating.done():
            self._beating = self._loop.create_task(self._keep_beating())

    async def _keep_beating(self) -> None:
        while self._is_beat_due and not self._is_over:
            self._is_beat_due = False
            try:
                said = await self._beat(self.delivery, self.details)
            except StoreError as error:  # the next one may come through
                fields = {"instance_id": self.request.instance_id}
                self._environment.say("warning", f"a heartbeat did not reach the store: {error.message}", fields)
                return
            if said.is_lost:
                self.stop(Stop.LOST)
            elif said.is_cancel_requested:
                self.stop(Stop.CANCELLED)

    def _ended_by(self, error: BaseException) -> Ending:
        is_stop = isinstance(error, asyncio.CancelledError | CancelledError)
        if is_stop and self._stop is Stop.TIMED_OUT:
            return Failed(timed_out(self._what_is_over()))
        if is_stop and self._stop is Stop.SILENT:
            silent = f"no heartbeat came within heartbeat_timeout ({text_of(self.request.options.heartbeat_us or 0)})"
            return Failed(timed_out(silent, HEARTBEAT_TIMED_OUT))
        if is_stop and self._stop is not None:
            return Stopped(self._stop)
        if isinstance(error, asyncio.CancelledError) and self._task is not None and self._task.cancelling():
            if self._beating is not None:
                self._beating.cancel()
            raise error  # the event loop itself is going down
        return self._failed(error)

    def _what_is_over(self) -> str:
        """Which of its two time limits it has reached, as the activity's definition names it."""
        options = self.request.options
        in_all_us = options.schedule_to_close_us
        if in_all_us is not None and self._deadline_us == self.request.scheduled_at_us + in_all_us:
            return over_in_all(self.request)
        return f"the attempt took longer than its timeout ({text_of(options.start_to_close_us or 0)})"

    def _failed(self, error: BaseException) -> Failed:
        retry_after_us = None
        if isinstance(error, ApplicationError) and error.retry_after is not None:
            try:
                retry_after_us = to_us(error.retry_after, "retry_after")
            except InvalidArgument as mistake:
                error.add_note(f"its retry_after was ignored: {mistake.message}")
        return Failed(self._described(error), retry_after_us)

    def _described(self, error: BaseException, retryable: bool = True) -> Failure:
        failure = failure_from(error, self._codec)
        if retryable:
            return failure
        return replace(failure, retryable=False)


@types.coroutine
def _run_in(context: Context, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """What the coroutine returns: awaited here, in this task, but with its own context around each of its steps."""
    step = partial(coroutine.send, None)
    while True:
        try:
            surfaced = context.run(step)
        except StopIteration as end:
            return end.value
        try:
            step = partial(coroutine.send, (yield surfaced))
        except GeneratorExit:
            context.run(coroutine.close)
            raise
        except BaseException as error:
            step = partial(coroutine.throw, error)


async def _awaiting(something: Awaitable[Any]) -> Any:
    return await something


class _InThread:
    """A call in another thread. What it raises is kept aside: no future or coroutine could carry a StopIteration."""

    def __init__(self, fn: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        self._fn, self._args, self._kwargs = fn, args, kwargs
        self.value: Any = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.value = self._fn(*self._args, **self._kwargs)
        except BaseException as error:
            self.error = error
