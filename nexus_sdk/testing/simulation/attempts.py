"""What must hold between the attempts of an activity: their delays are kept, and what heartbeats have left; each is one
holder's; and none is counted that was given back, or forgotten that was lost."""

from __future__ import annotations

from nexus_sdk.codec import wire
from nexus_sdk.engine.retrying import full_delay_us, rule_for, tries_under
from nexus_sdk.errors import HistoryCorruptedError
from nexus_sdk.store.port import Delivery, Task, TaskDelivery
from nexus_sdk.testing.laws import LawBroken


class Attempts:
    """Told of what is given out, and of what is to come next."""

    def __init__(self) -> None:
        self._with_details: dict[str, int] = {}
        """Of each task of which details are kept: the attempt that has left them."""
        self._known: set[str] = set()
        self._given_back: set[str] = set()
        """The tokens of deliveries that somebody has tried to give back."""
        self._holders: dict[tuple[str, int], str] = {}
        """Of each task and attempt: the token of who was given it last."""
        self._latest_us = 0

    def note_time(self, now_us: int) -> None:
        """Somebody's clock shows this. Once it has, for the store that time has come."""
        self._latest_us = max(now_us, self._latest_us)

    def note_details(self, task: Task) -> None:
        """The store has said that it keeps the details of a heartbeat."""
        self._with_details[task.id] = task.attempt

    def note_given_back(self, delivery: Delivery) -> None:
        """Somebody gives back what he has not used. Whether it was still his, the store decides."""
        self._given_back.add(delivery.token)

    def note_lease(self, delivery: TaskDelivery, now_us: int) -> None:
        """Laws 8, 4 and 10: nothing is given out before its time, or without what an earlier attempt has left; the
        number of an attempt counts those that failed and those that were lost, and each is given to one holder.

        Args:
            now_us: the time by the clock of whoever was given it.
        """
        task = delivery.task
        self.note_time(now_us)
        if delivery.token in self._known:
            return  # a commit that is repeated says again what it has handed out
        self._known.add(delivery.token)
        early_us = task.not_before_us - self._latest_us
        if early_us > 0:
            raise LawBroken(f"law 8, {task.instance_id}: task {task.id} was given out {early_us} µs early")
        # A reply that was long on its way may tell of an earlier attempt.
        if task.details is None and task.attempt >= self._with_details.get(task.id, task.attempt + 1):
            raise LawBroken(f"law 4, {task.instance_id}: task {task.id} has lost the details of its heartbeats")
        self._check_number(delivery)
        before = self._holders.get((task.id, task.attempt))
        self._holders[task.id, task.attempt] = delivery.token
        if before is not None and before not in self._given_back:
            raise LawBroken(f"law 10, {task.instance_id}: attempt {task.attempt} of task {task.id} was given out twice")

    def _check_number(self, delivery: TaskDelivery) -> None:
        task = delivery.task
        try:
            failed = wire.decode_request(task.body).tries
        except HistoryCorruptedError:
            return  # it was damaged
        if task.attempt != failed + delivery.deliveries:
            counted = f"{failed} that failed and {delivery.deliveries - 1} that were lost"
            raise LawBroken(
                f"law 4, {task.instance_id}: attempt {task.attempt} of task {task.id} is said to follow {counted}"
            )

    def note_retry(self, task: Task, now_us: int) -> None:
        """Law 8: an attempt that failed is followed by another after the delay that its rule says.

        Args:
            task: the next attempt.
            now_us: when the one before it failed.
        """
        request = wire.decode_request(task.body)
        rule = rule_for(request.options.retry, request.failures[-1]) if request.failures else None
        if rule is None or rule.jitter != "none":
            return
        failed = tries_under(request, rule)
        wanted_us, found_us = full_delay_us(rule, failed), task.not_before_us - now_us
        if found_us != wanted_us:
            where = f"law 8, {task.instance_id}: task {task.id}"
            raise LawBroken(f"{where} is tried again after {found_us} µs, and not after {wanted_us} µs")
