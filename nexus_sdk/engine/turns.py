"""Receive, load, replay, commit: the one thing the engine does. The commit is one atomic conditional write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.frozen import changed
from nexus_sdk.core.status import Status
from nexus_sdk.engine.apart import Moving, commit_set_apart, read_messages
from nexus_sdk.engine.birth import continued, first_batch
from nexus_sdk.engine.courtesy import UNSERVED_SECONDS, Courtesy
from nexus_sdk.engine.decide import Decision, Verdict, blocked, decide
from nexus_sdk.engine.ending import messages_of, readable_instance, termination_in
from nexus_sdk.engine.instance import Instance, Surroundings, append, open_instance
from nexus_sdk.engine.mail import Mail, Outcome
from nexus_sdk.engine.outbox import sends_of, sends_of_termination
from nexus_sdk.engine.persistence import until_available
from nexus_sdk.engine.warm import WarmInstances
from nexus_sdk.errors import (
    ConflictError,
    HistoryCorruptedError,
    InstanceFinished,
    InstanceNotFound,
    NotServedError,
    PayloadTooLarge,
)
from nexus_sdk.store.port import (
    LOCAL,
    CancelTask,
    Claim,
    Commit,
    Committed,
    Delivery,
    InstanceRecord,
    Lease,
    Send,
    Store,
    StoredBatch,
    Task,
    TaskDelivery,
    TurnDelivery,
)

T = TypeVar("T")

CONFLICTS_MAX = 5
"""So many conflicts in a row, and the outcomes go through the inbox, to be taken by whoever moves the instance."""

RACES_MAX = 3
"""So many conflicts in a row are taken for what they are where several fan in: somebody was faster. Then it is asked,
for each outcome, whether it is still to be brought from here; that costs as much as the work itself, so it is once.
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a turn leads to: tasks to run here, tasks to stop here, whether there is more to do at once."""

    deliveries: tuple[TaskDelivery, ...] = ()
    stopped: tuple[str, ...] = ()
    is_ready: bool = False


class Turns:
    """Takes turns, keeping recently used instances warm.

    Args:
        claim: what a commit that sends so many tasks may hand out to this worker; its slots are kept free until
            it is given back to `unclaim`.
        courtesy: when others may have what this worker does not serve.
        warm_max: so many live executions are kept; dropping one changes nothing but time.
    """

    def __init__(
        self,
        store: Store,
        surroundings: Surroundings,
        lease: Lease,
        claim: Callable[[int], Claim | None],
        unclaim: Callable[[Claim | None], None],
        courtesy: Courtesy,
        warm_max: int,
    ) -> None:
        self._store = store
        self._surroundings = surroundings
        self._lease = lease
        self._claim = claim
        self._unclaim = unclaim
        self._courtesy = courtesy
        self._warm = WarmInstances(warm_max)

    async def take(self, instance_id: str, mail: Mail) -> Taken:
        """Bring an instance as far forward as the mail and its timers allow, durably.

        Whatever happens, the mail is settled, back with the store, or another's by now.
        """
        for conflicts in range(1, CONFLICTS_MAX + 1):
            try:
                return await self._take(instance_id, mail)
            except ConflictError:
                self.forget(instance_id)
                mail.loaded = None
                await self._release(mail)  # the instance has moved on: its messages are read anew
                if conflicts == RACES_MAX:
                    await self._keep_what_is_ours(mail)
                if not mail:
                    return Taken()
            except InstanceNotFound:
                self.forget(instance_id)
                await self._discard(mail)
                return Taken()
        await self._put_back(mail)
        return Taken(is_ready=True)

    async def block(self, instance_id: str, mail: Mail, error: Exception) -> Taken:
        """Block an instance whose turns keep failing, with its mail kept in its inbox; or end it, if that was asked.

        For neither need its history be read.
        """
        self.forget(instance_id)
        await self._put_back(mail)
        loaded = await self._ask(instance_id, partial(self._store.load, instance_id))
        if loaded.record.status.is_finished:
            return Taken()
        instance, messages = readable_instance(loaded), messages_of(loaded)
        end = termination_in(messages)
        if end is not None:
            taken = await self._commit(instance, Decision(Verdict.ADVANCE, (end,), tuple(messages)), Mail(), None)
            self._say_that_it_was_not_read(instance_id, error)
            return taken
        through = max((message.number for message in messages), default=0)
        if loaded.record.status is Status.BLOCKED:
            if through > (loaded.record.held_through or 0):
                # What has come since is held back like the rest, or it would be delivered again and again.
                held = changed(loaded.record, held_through=through, wake_at_us=None)
                await self._write(Commit(held, held.run_id, held.last_batch, ()))
            return Taken()
        return await self._commit(instance, blocked(instance, error, (), self._surroundings), Mail(), through)

    def forget(self, instance_id: str) -> None:
        """Drop a warm instance."""
        self._warm.drop(instance_id)

    def close(self) -> None:
        """Drop all warm instances."""
        self._warm.close()

    # --- one try ----------------------------------------------------------------------------------------------------

    async def _take(self, instance_id: str, mail: Mail) -> Taken:
        try:
            return await self._open_and_work_off(instance_id, mail)
        except HistoryCorruptedError as error:
            return await self.block(instance_id, mail, error)

    async def _open_and_work_off(self, instance_id: str, mail: Mail) -> Taken:
        instance = await self._open(instance_id, mail)
        try:
            return await self._work_off(instance, mail)
        except BaseException:
            self.forget(instance_id)
            raise
        finally:
            # What is not kept warm is dropped in the open: left to a later collection, the `finally` blocks of its
            # helpers would run inside another workflow's step.
            if instance not in self._warm:
                instance.dispose()

    async def _work_off(self, instance: Instance, mail: Mail) -> Taken:
        instance_id = instance.record.id
        decision = decide(
            instance,
            mail.messages(),
            is_retry=mail.is_retry,
            now_us=self._now_us(),
            surroundings=self._surroundings,
        )
        if decision.verdict is Verdict.UNSERVED and self._courtesy.is_over(instance_id, instance.record.last_batch):
            decision = blocked(instance, _unserved(instance.record), (), self._surroundings)
        match decision.verdict:
            case Verdict.FINISHED:
                self.forget(instance_id)
                await self._discard(mail)
                return Taken()
            case Verdict.UNSERVED:
                await self._put_back(mail, self._courtesy.leave(instance_id, instance.record.last_batch))
                return Taken()
            case Verdict.HOLD:
                return await self._hold(instance, mail)
            case Verdict.ADVANCE:
                return await self._advance(instance, decision, mail)

    async def _open(self, instance_id: str, mail: Mail) -> Instance:
        """The warm instance if it will do, else a fresh one. Instance and messages are of one moment.

        Raises:
            HistoryCorruptedError: its history, or a message to it, is not what was written.
        """
        instance = self._warm.take(instance_id)
        try:
            if instance is not None and self._will_do(instance, mail):
                if mail.inbox:
                    mail.loaded = await self._ask(instance_id, partial(read_messages, self._store, mail.inbox))
                return instance
            loaded = mail.delivery.loaded if mail.delivery is not None else None
            if loaded is None:
                loaded = await self._ask(instance_id, partial(self._store.load, instance_id))
            mail.loaded = await self._ask(instance_id, partial(read_messages, self._store, loaded.messages))
            if instance is not None and _position(instance.record) == _position(loaded.record):
                return instance
        except BaseException:
            if instance is not None:
                instance.dispose()
            raise
        if instance is not None:
            instance.dispose()
        return await self._ask(instance_id, partial(open_instance, self._store, loaded))

    def _will_do(self, instance: Instance, mail: Mail) -> bool:
        """Whether a warm instance can take the mail as it is."""
        if mail.delivery is not None:
            # Otherwise one of the two is older, and messages that were consumed since would be consumed twice.
            return _position(mail.delivery) == _position(instance.record)
        due_us = instance.record.wake_at_us
        # When a timer is due, what was accepted before it must be applied before it: the inbox is looked at.
        return due_us is None or due_us > self._now_us()

    async def _advance(self, instance: Instance, decision: Decision, mail: Mail) -> Taken:
        if len(decision.used) < mail.size and not any(event.is_terminal for event in decision.events):
            # Outcomes that came too late for a turn that holds the instance wait in the inbox, with everything else.
            used = {message.id for message in decision.used}
            await self._send_outcomes(mail, [outcome for outcome in mail.outcomes if outcome.message.id not in used])
        if not decision.events and not mail.deliveries() and not mail.inbox:
            self._keep_warm(instance, instance.record)
            return Taken()
        # Outcomes that mean nothing (any more) are settled by a commit like all others: to a warm instance that
        # another worker has moved on meanwhile the newest outcome means nothing either, and only the fence can tell.
        through = mail.last_number() if decision.is_blocking else None
        return await self._commit(instance, decision, mail, through)

    async def _hold(self, instance: Instance, mail: Mail) -> Taken:
        await self._send_outcomes(mail, tuple(mail.outcomes))
        if mail.delivery is not None:
            held = changed(instance.record, held_through=mail.last_number(), wake_at_us=None)
            commit = Commit(held, held.run_id, held.last_batch, (), settles=(mail.delivery,))
            await self._write(commit)
        self.forget(instance.record.id)
        return Taken()

    # --- the commit -------------------------------------------------------------------------------------------------

    async def _commit(self, instance: Instance, decision: Decision, mail: Mail, held_through: int | None) -> Taken:
        commit = self._prepared(instance, decision, mail, held_through)
        size = sum([len(batch.data) for batch in commit.batches]) + len(commit.record.failure or b"")
        able = self._store.capabilities
        if size > min(able.payload_bytes_max, able.commit_bytes_max):
            commit = await self._set_apart(commit)
        # No more than its own: if the reply is lost, only those are handed out again when the commit is repeated.
        sent = sum([type(send) is Task and send.queue != LOCAL for send in commit.sends])
        claim = self._claim(sent)
        try:
            committed = await self._write(changed(commit, claim=claim))
        finally:
            self._unclaim(claim)
        self._keep_warm(instance, commit.record)
        self._say_what_happened(decision, commit.record.id)
        stopped = tuple([send.task_id for send in commit.sends if type(send) is CancelTask])
        return Taken(committed.deliveries, stopped, committed.is_ready)

    async def _set_apart(self, prepared: Commit) -> Commit:
        """For a turn that may hold large payloads: whatever it sends is in its batches, too."""
        set_apart = partial(commit_set_apart, self._store, prepared, now_us=self._now_us())
        commit = await self._ask(prepared.record.id, set_apart)
        size = sum(len(batch.data) for batch in commit.batches)
        if size > self._store.capabilities.commit_bytes_max:
            raise PayloadTooLarge(
                f"{commit.record.id}: one turn makes {size} bytes of history; this store takes "
                f"{self._store.capabilities.commit_bytes_max}.",
                hint="Pass references instead of large values, or fan out in smaller portions.",
            )
        return commit

    def _say_what_happened(self, decision: Decision, instance_id: str) -> None:
        say = self._surroundings.environment.say
        for line in decision.log:
            say(line.level, line.event, line.fields)
        for event in decision.events:
            if type(event) is e.WorkflowBlocked:
                what = f"{instance_id} is blocked: {event.failure.type}: {event.failure.message}"
                say("warning", what, {"instance_id": instance_id, "status": "blocked"})
            elif type(event) is e.WorkflowUnblocked:
                say("info", f"{instance_id} is no longer blocked", {"instance_id": instance_id, "status": "running"})

    def _say_that_it_was_not_read(self, instance_id: str, error: Exception) -> None:
        said = (
            f"{instance_id} was terminated as it was asked, and could not go on ({error}). Activities and children "
            f"that its history no longer tells of were not cancelled."
        )
        self._surroundings.environment.say("warning", said, {"instance_id": instance_id, "status": "terminated"})

    def _prepared(self, instance: Instance, decision: Decision, mail: Mail, held_through: int | None) -> Commit:
        now_us, record, events = self._now_us(), instance.record, decision.events
        sends: tuple[Send, ...] = ()
        batches: tuple[StoredBatch, ...] = ()
        if events:
            termination = events[-1] if isinstance(events[-1], e.WorkflowTerminated) else None
            if termination is not None:
                sends = tuple(sends_of_termination(record, termination, instance.projection))
            instance.projection.extend(events)
            if termination is None:
                sends = tuple(sends_of(record, events, instance.projection, now_us=now_us))
            batch, record = self._batch(instance, decision, now_us)
            batches = (batch,)
            self._measure(instance, events)
        record = self._indexed(record, instance, events, held_through, now_us)
        if events and isinstance(events[-1], e.ContinuedAsNew):
            opening, record = self._next_run(instance, record, events[-1], now_us)
            batches = (*batches, opening)
        return Commit(
            record,
            instance.record.run_id,
            instance.record.last_batch,
            batches,
            sends,
            tuple([message.number for message in decision.used if message.number]),
            mail.deliveries(),
        )

    def _measure(self, instance: Instance, events: tuple[e.Event, ...]) -> None:
        """Note how much longer the history becomes by these, and warn when it becomes long."""
        execution, limits = instance.execution, self._surroundings.limits
        if execution is None:
            return
        before, ledger = instance.length, execution.ledger
        ledger.value_bytes += wire.value_bytes_of(events)
        instance.length = length = ledger.length
        if limits.is_warned_of(length) and not limits.is_warned_of(before):
            instance_id = instance.record.id
            said = {"instance_id": instance_id, "events": length[0], "bytes": length[1]}
            self._surroundings.environment.say("warning", limits.warning(instance_id, length), said)

    def _batch(self, instance: Instance, decision: Decision, now_us: int) -> tuple[StoredBatch, InstanceRecord]:
        surroundings = self._surroundings
        stamp_us = decision.stamp_us if decision.stamp_us is not None else max(now_us, instance.record.updated_us)
        return append(
            instance.record,
            decision.events,
            turn_id=surroundings.environment.randomness.token(),
            causes=tuple([message.id for message in decision.used]),
            now_us=stamp_us,
            worker=surroundings.worker_id,
            build=surroundings.build,
        )

    def _indexed(
        self,
        record: InstanceRecord,
        instance: Instance,
        events: tuple[e.Event, ...],
        held_through: int | None,
        now_us: int,
    ) -> InstanceRecord:
        """The record as the history now makes it."""
        projection, execution = instance.projection, instance.execution
        wake_at_us = None
        if not projection.status.is_finished and not projection.status.is_held and execution is not None:
            created = projection.created
            wake_at_us = execution.next_deadline_us()
            if execution.main is None and created is not None:
                wake_at_us = created.start_at_us
        status_set = next((x.value for x in reversed(events) if type(x) is e.CustomStatusSet), None)
        failure = projection.failure
        return changed(
            record,
            status=projection.status,
            updated_us=max(now_us, record.updated_us),
            wake_at_us=wake_at_us,
            held_through=held_through if projection.status.is_held else None,
            custom_status=record.custom_status if status_set is None else wire.encode_payload(status_set),
            failure=None if failure is None else wire.encode_failure(failure),
            build=self._surroundings.build,
        )

    def _next_run(
        self, instance: Instance, record: InstanceRecord, end: e.ContinuedAsNew, now_us: int
    ) -> tuple[StoredBatch, InstanceRecord]:
        execution = instance.execution
        assert execution is not None
        assert execution.created is not None
        opening = e.WorkflowCreated(
            record.workflow,
            record.version,
            end.arguments,
            record.parent,
            timeout_us=execution.created.timeout_us,
            carried=execution.unread(),
            previous_run_id=record.run_id,
            origin="continue",
        )
        turn_id = self._surroundings.environment.randomness.token()
        batch, digest = first_batch(
            record.id, end.next_run_id, opening, turn_id=turn_id, now_us=now_us, previous_hash=record.last_hash
        )
        return batch, continued(record, end.next_run_id, digest, now_us)

    async def _write(self, commit: Commit) -> Committed:
        """Commit; the same again when the reply is lost: the store knows it by its turn id."""
        return await self._ask(commit.record.id, lambda: self._store.commit(commit, now_us=self._now_us()))

    def _ask(self, instance_id: str, call: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        """The store's answer, however long it is unavailable: mail is never dropped for that."""
        return until_available(
            call, self._surroundings.environment, instance_id=instance_id, what=f"a turn of {instance_id}"
        )

    def _keep_warm(self, instance: Instance, record: InstanceRecord) -> None:
        if record.run_id != instance.record.run_id or record.status.is_finished or record.status.is_held:
            instance.dispose()
            return
        instance.advanced(record)
        self._warm.keep(instance, now_us=self._now_us())

    # --- mail that could not be used ----------------------------------------------------------------------------------

    async def _discard(self, mail: Mail) -> None:
        for delivery in mail.deliveries():
            await self._ask(_instance_of(delivery), partial(self._store.ack, delivery))

    async def _send_outcomes(self, mail: Mail, outcomes: Sequence[Outcome]) -> None:
        """Leave outcomes in the inbox of their instance: together, or each by itself where one of them may not be.

        Each is part of the mail until it lies there.
        """
        if len(outcomes) > 1 and await self._leave_in(mail, outcomes):
            return
        for outcome in outcomes:
            if not await self._leave_in(mail, [outcome]):
                mail.outcomes.remove(outcome)  # another holds the activity by now, and will report its own

    async def _leave_in(self, mail: Mail, outcomes: Sequence[Outcome]) -> bool:
        left = await self._ask(outcomes[0].delivery.task.instance_id, partial(self._leave, outcomes))
        if left:
            mail.outcomes = [outcome for outcome in mail.outcomes if outcome not in outcomes]
        return left

    async def _leave(self, outcomes: Sequence[Outcome]) -> bool:
        """Send outcomes, all or none; False when another holds one of the activities by now."""
        now_us = self._now_us()
        moving = Moving(self._store.capabilities.payload_bytes_max)
        messages = [moving.message(outcome.for_inbox()) for outcome in outcomes]
        deliveries = [outcome.delivery for outcome in outcomes]
        try:
            await moving.put(self._store, now_us=now_us)
            await self._store.send(messages, now_us=now_us, settles=deliveries)
        except (InstanceFinished, InstanceNotFound):
            for delivery in deliveries:
                await self._store.ack(delivery)
        except ConflictError:
            return False
        return True

    async def _put_back(self, mail: Mail, not_before_us: int | None = None) -> None:
        await self._send_outcomes(mail, tuple(mail.outcomes))
        await self._release(mail, not_before_us)

    async def _release(self, mail: Mail, not_before_us: int | None = None) -> None:
        delivery = mail.delivery
        if delivery is None:
            return
        give = partial(self._store.release, delivery, now_us=self._now_us(), not_before_us=not_before_us)
        await self._ask(delivery.instance_id, give)
        mail.delivery = None

    async def _keep_what_is_ours(self, mail: Mail) -> None:
        """After a conflict: deliveries that another holds by now are his to bring forward."""
        now_us = self._now_us()
        kept = []
        for outcome in mail.outcomes:
            prolong = partial(self._store.extend, outcome.delivery, lease=self._lease, now_us=now_us)
            if not (await self._ask(outcome.delivery.task.instance_id, prolong)).is_lost:
                kept.append(outcome)
        mail.outcomes = kept

    def _now_us(self) -> int:
        return self._surroundings.environment.clock.now_us()


def _unserved(record: InstanceRecord) -> NotServedError:
    return NotServedError(
        f"{record.id}: no worker serves workflow {record.workflow!r} version {record.version!r}, it seems: for "
        f"{UNSERVED_SECONDS:g} s it was left to others, and none has taken it.",
        hint="Start a worker that has it, and the instance goes on by itself; or terminate the instance.",
    )


def _position(of: InstanceRecord | TurnDelivery) -> tuple[str, int]:
    return of.run_id, of.last_batch


def _instance_of(delivery: Delivery) -> str:
    return delivery.instance_id if isinstance(delivery, TurnDelivery) else delivery.task.instance_id
