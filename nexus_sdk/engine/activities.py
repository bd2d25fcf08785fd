"""Running activities: from a leased delivery to an outcome, a next attempt, or the delivery given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TypeVar

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.frozen import changed
from nexus_sdk.core.history import Message
from nexus_sdk.core.request import ActivityRequest
from nexus_sdk.engine.apart import Moving, read_bytes
from nexus_sdk.engine.attempt import Ending, Failed, Returned, RunningAttempt, Stop, Stopped
from nexus_sdk.engine.courtesy import Courtesy
from nexus_sdk.engine.instance import Surroundings
from nexus_sdk.engine.mail import Outcome
from nexus_sdk.engine.persistence import until_available
from nexus_sdk.engine.retrying import dead_lettered, delay_before_next, logged, over_in_all, timed_out, worker_lost
from nexus_sdk.errors import ConflictError, DefinitionError, HistoryCorruptedError, PayloadError, PayloadUnreadable
from nexus_sdk.store.port import Extended, Lease, Store, Task, TaskDelivery

T = TypeVar("T")


class Activities:
    """Runs activities of one worker.

    Args:
        courtesy: when others may have what this worker does not serve.
    """

    def __init__(
        self,
        store: Store,
        surroundings: Surroundings,
        lease: Lease,
        courtesy: Courtesy,
    ) -> None:
        self._store = store
        self._surroundings = surroundings
        self._lease = lease
        self._courtesy = courtesy
        self._context = copy_context()  # what one activity sets in its context is not seen by the next
        self.running: dict[str, RunningAttempt] = {}
        self._told: set[str] = set()

    async def run(self, delivery: TaskDelivery) -> Outcome | None:
        """Run one delivered attempt; its outcome, or None when there is none (yet) and all is seen to."""
        try:
            request = await self._request(delivery.task)
        except HistoryCorruptedError as error:
            # Written by a later release, perhaps: a worker of that one can read it.
            await self._leave_to_others(delivery, delivery.task.id, str(error))
            return None
        if delivery.is_cancel_requested:
            return self._cancelled(delivery, request)
        lost = [worker_lost() for _ in range(delivery.deliveries - 1)]
        if delivery.dead_letter:
            return self._failed(delivery, logged(request, *lost, dead_lettered(delivery.dead_letter)))
        if lost and delivery.task.attempt > request.options.retry.max_attempts:
            return self._failed(delivery, logged(request, *lost))
        activity = self._surroundings.registry.activity(request.name)
        if activity is None:
            missing = DefinitionError(
                f"this worker serves the queue of activity {request.name!r}, but does not have it."
            )
            await self._leave_to_others(delivery, request.name, str(missing))
            return None
        if request.first_started_us is None:
            request = changed(request, first_started_us=self._now_us())
        if self._is_too_late(request):
            spent = timed_out(over_in_all(request))
            return self._failed(delivery, logged(request, *lost, spent))
        attempt = RunningAttempt(
            delivery,
            request,
            activity,
            codec=self._surroundings.codec.bound_to(request.instance_id),
            environment=self._surroundings.environment,
            beat=self._beat,
            encode_details=wire.encode_payload,
            previous_details=None if delivery.task.details is None else await self._details(delivery),
            context=self._context.copy(),
        )
        self.running[delivery.task.id] = attempt
        try:
            ending = await attempt.run()
        except PayloadUnreadable as error:
            # A worker with the key, or with the codec that wrote it, can do it.
            await self._leave_to_others(delivery, f"{request.name} {error.code}", str(error))
            return None
        finally:
            self.running.pop(delivery.task.id, None)
        return await self._follow_up(attempt, logged(request, *lost), ending)

    def stop(self, task_id: str, why: Stop) -> None:
        """Tell an attempt to stop, if it runs here."""
        attempt = self.running.get(task_id)
        if attempt is not None:
            attempt.stop(why)

    async def prolong(self, ended: Iterable[TaskDelivery]) -> None:
        """Extend the leases of everything that runs here; stop what was lost or is to be cancelled.

        Args:
            ended: what ran here, and whose outcome is not committed yet: others would run it again.
        """
        running = [self._prolong(attempt) for attempt in list(self.running.values())]
        waiting = [self._store.extend(delivery, lease=self._lease, now_us=self._now_us()) for delivery in ended]
        await asyncio.gather(*running, *waiting)

    async def _prolong(self, attempt: RunningAttempt) -> None:
        said = await self._store.extend(attempt.delivery, lease=self._lease, now_us=self._now_us())
        if said.is_lost:
            attempt.stop(Stop.LOST)
        elif said.is_cancel_requested:
            attempt.stop(Stop.CANCELLED)

    async def give_back(self, delivery: TaskDelivery, not_before_us: int | None = None) -> None:
        """Let another have it, as the same attempt."""
        release = partial(self._store.release, delivery, now_us=self._now_us(), not_before_us=not_before_us)
        await self._ask(delivery.task, release)

    # --- what follows -----------------------------------------------------------------------------------------------

    async def _request(self, task: Task) -> ActivityRequest:
        body = task.body
        if wire.apart_in(body):
            body = await self._ask(task, partial(read_bytes, self._store, task.instance_id, body))
        return wire.decode_request(body)

    async def _follow_up(self, attempt: RunningAttempt, request: ActivityRequest, ending: Ending) -> Outcome | None:
        delivery = attempt.delivery
        match ending:
            case Returned(result=result):
                made = delivery.task.attempt
                return self._outcome(delivery, e.ActivityCompleted(request.path, result, made, request.failures))
            case Failed(failure=failure, retry_after_us=retry_after_us):
                request = logged(request, failure)
                delay_us = delay_before_next(
                    request,
                    now_us=self._now_us(),
                    fraction=self._surroundings.environment.randomness.fraction(),
                    retry_after_us=retry_after_us,
                )
                if delay_us is None:
                    return self._failed(delivery, request)
                await self._retry(attempt, request, delay_us)
            case Stopped(why=Stop.CANCELLED):
                return self._cancelled(delivery, request)
            case Stopped(why=Stop.DRAINED) if request.options.retry.max_attempts == 1:
                instance_id = delivery.task.instance_id
                why = f"activity {request.name!r} of {instance_id} was interrupted and runs at most once: it fails"
                self._surroundings.environment.say("warning", why, {"instance_id": instance_id})
                return self._failed(delivery, logged(request, worker_lost()))  # it has begun: at most once
            case Stopped(why=Stop.DRAINED):
                await self.give_back(delivery)
        return None  # it is tried again, or given back, or another's by now

    async def _retry(self, attempt: RunningAttempt, request: ActivityRequest, delay_us: int) -> None:
        task = attempt.delivery.task
        now_us = self._now_us()
        following = replace(
            task,
            attempt=task.attempt + 1,
            not_before_us=now_us + delay_us,
            body=wire.encode_request(request),
            details=attempt.details if attempt.details is not None else task.details,
        )
        moving = Moving(self._store.capabilities.payload_bytes_max)
        following = moving.task(following)
        try:
            await self._ask(task, partial(moving.put, self._store, now_us=now_us))
            await self._ask(task, partial(self._store.retry, attempt.delivery, following, now_us=now_us))
        except ConflictError:
            return  # the lease is another's by now, and so is the operation

    def _failed(self, delivery: TaskDelivery, request: ActivityRequest) -> Outcome:
        """It has failed for good, of the last failure that is logged."""
        *earlier, last = request.failures
        return self._outcome(delivery, e.ActivityFailed(request.path, last, request.tries, tuple(earlier)))

    def _cancelled(self, delivery: TaskDelivery, request: ActivityRequest) -> Outcome:
        return self._outcome(delivery, e.ActivityCancelled(request.path, delivery.task.attempt))

    def _outcome(self, delivery: TaskDelivery, event: e.Event) -> Outcome:
        message = Message(f"{delivery.task.id}:end", event, self._now_us(), run_id=delivery.task.run_id)
        return Outcome(message, delivery)

    async def _leave_to_others(self, delivery: TaskDelivery, what: str, why: str) -> None:
        if what not in self._told:  # said once: the same task comes round again and again
            self._told.add(what)
            self._surroundings.environment.say("warning", why, {"instance_id": delivery.task.instance_id})
        later_us = self._courtesy.leave(delivery.task.id, delivery.task.attempt)
        await self.give_back(delivery, later_us)

    async def _ask(self, task: Task, call: Callable[[], Awaitable[T]]) -> T:
        what = f"activity {task.id} of {task.instance_id}"
        return await until_available(call, self._surroundings.environment, instance_id=task.instance_id, what=what)

    # --- details ----------------------------------------------------------------------------------------------------

    async def _beat(self, delivery: TaskDelivery, details: bytes | None) -> Extended:
        lease = self._lease
        heartbeat_us = wire.decode_request(delivery.task.body).options.heartbeat_us
        if heartbeat_us is not None:
            # A worker that dies is noticed as soon as its heartbeat is missed.
            lease = replace(lease, seconds=min(lease.seconds, heartbeat_us / 1_000_000))
        now_us = self._now_us()
        moving = Moving(self._store.capabilities.payload_bytes_max)
        details = details and moving.bytes_of(delivery.task.instance_id, details)
        await moving.put(self._store, now_us=now_us)
        return await self._store.extend(delivery, lease=lease, now_us=now_us, details=details)

    async def _details(self, delivery: TaskDelivery) -> object:
        task = delivery.task
        assert task.details is not None
        try:
            data = await self._ask(task, partial(read_bytes, self._store, task.instance_id, task.details))
            return self._surroundings.codec.bound_to(task.instance_id).decode(wire.decode_payload(data))
        except (HistoryCorruptedError, PayloadError) as error:
            # Only a hint for the next attempt: an activity must be able to begin without it anyway.
            said = f"the last heartbeat details of {delivery.task.id} cannot be read: {error.message}"
            self._surroundings.environment.say("warning", said, {"instance_id": delivery.task.instance_id})
            return None

    def _is_too_late(self, request: ActivityRequest) -> bool:
        to_close_us = request.options.schedule_to_close_us
        return to_close_us is not None and self._now_us() >= request.scheduled_at_us + to_close_us

    def _now_us(self) -> int:
        return self._surroundings.environment.clock.now_us()
