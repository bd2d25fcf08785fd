"""Bugs of the engine and of the core. See `mutants`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from nexus_sdk.core import turn
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.ledger import Ledger
from nexus_sdk.core.saga import Saga
from nexus_sdk.engine import activities, decide, outbox, rewinding, turns
from nexus_sdk.engine.activities import Activities
from nexus_sdk.engine.apart import Moving
from nexus_sdk.engine.attempt import RunningAttempt
from nexus_sdk.engine.turns import Turns
from nexus_sdk.store.port import CancelTask, Commit, InboxMessage, Send
from tests.simulation.planting import Patch, edited, mutant

# --- the engine -------------------------------------------------------------------------------------------------------


@mutant
def warm_instances_are_always_up_to_date() -> Iterable[Patch]:
    """A warm instance takes mail that was collected when the instance was elsewhere."""
    yield Turns, "_will_do", lambda self, instance, mail: True


@mutant
def the_unreadable_cannot_be_ended() -> Iterable[Patch]:
    """An instance whose history was damaged is blocked, whatever is asked of it."""
    yield turns, "termination_in", lambda messages: None


@mutant
def naive_timer_compare() -> Iterable[Patch]:
    """Timers fire in the second in which they are due."""

    def due_before(self: Execution, limit_us: int) -> Any:
        return real(self, limit_us + 1_000_000)

    real = Execution.due_before
    yield Execution, "due_before", due_before


@mutant
def timers_sleep_with_their_worker() -> Iterable[Patch]:
    """A turn that leaves nothing but timers does not say when it wants to be woken."""
    real = Turns._indexed
    yield Turns, "_indexed", lambda self, *given: replace(real(self, *given), wake_at_us=None)


@mutant
def events_dropped_at_continue_as_new() -> Iterable[Patch]:
    """What was not read is not carried over."""
    yield Execution, "unread", lambda self: ()


@mutant
def messages_for_an_earlier_run_are_taken() -> Iterable[Patch]:
    """An outcome that was meant for the run before reaches this one."""
    yield turn, "_is_meant", lambda execution, message: execution.accepts(message.event)


@mutant
def double_compensation() -> Iterable[Patch]:
    """A saga that ends well keeps the undos that it hands over."""

    def completed(self: Saga, name: str, compensate: Any, value: Any) -> None:
        real(self, name, compensate, value)
        if len(self._undos) > 1:
            real(self, name, compensate, value)

    real = Saga.completed
    yield Saga, "completed", completed


@mutant
def compensation_oldest_first() -> Iterable[Patch]:
    """Undos run in the order in which things were done."""

    def completed(self: Saga, name: str, compensate: Any, value: Any) -> None:
        real(self, name, compensate, value)
        self._undos.insert(0, self._undos.pop())

    real = Saga.completed
    yield Saga, "completed", completed


@mutant
def children_are_left_alone() -> Iterable[Patch]:
    """The end of a parent does not reach its children."""
    real = outbox.sends_of

    def sends_of(*given: Any, **named: Any) -> Iterator[Send]:
        for send in real(*given, **named):
            if not (isinstance(send, InboxMessage) and send.id.endswith(":cancel")):
                yield send

    yield turns, "sends_of", sends_of


@mutant
def termination_leaves_activities_running() -> Iterable[Patch]:
    """The tasks of an instance that was terminated are not cancelled."""
    real = outbox.sends_of_termination

    def sends_of(*given: Any, **named: Any) -> Iterator[Send]:
        return (send for send in real(*given, **named) if not isinstance(send, CancelTask))

    yield turns, "sends_of_termination", sends_of


@mutant
def no_limit_for_those_who_kill() -> Iterable[Patch]:
    """An activity that lost its worker is tried again, however often that may be."""

    def unlimited(data: bytes) -> Any:
        request = real(data)
        options = request.options
        rules = tuple(replace(rule, max_attempts=99) for rule in options.retry.rules)
        return replace(request, options=replace(options, retry=replace(options.retry, rules=rules)))

    real = activities.wire.decode_request
    yield activities.wire, "decode_request", unlimited


@mutant
def patches_are_not_remembered() -> Iterable[Patch]:
    """What was passed before a change takes the changed path all the same."""
    yield Ledger, "patched", lambda self, change_id: True


@mutant
def suspension_forgets_messages() -> Iterable[Patch]:
    """What comes while an instance is held is taken for consumed."""

    def held(*given: Any, **named: Any) -> Any:
        decision = real(*given, **named)
        if decision.verdict is decide.Verdict.HOLD:
            return decide.Decision(decide.Verdict.ADVANCE, used=tuple(given[1]))
        return decision

    real = decide.decide
    yield turns, "decide", held


@mutant
def turns_are_stamped_with_the_workers_clock() -> Iterable[Patch]:
    """A turn may be earlier than the one before it."""
    real = Turns._batch

    def batch(self: Turns, instance: Any, decision: Any, now_us: int) -> Any:
        return real(self, instance, replace(decision, stamp_us=self._now_us()), now_us)

    yield Turns, "_batch", batch


# --- the engine: more that is got wrong in good faith -----------------------------------------------------------------


@mutant
def failures_are_forgotten() -> Iterable[Patch]:
    """The next attempt does not know how many there were."""
    forgetful = "replace(request, failures=request.failures[:-1])"
    yield edited(Activities, "_follow_up", "self._retry(attempt, request,", f"self._retry(attempt, {forgetful},")


@mutant
def no_delay_between_attempts() -> Iterable[Patch]:
    """The delay is drawn, and not waited for."""
    yield edited(Activities, "_retry", "not_before_us=now_us + delay_us", "not_before_us=now_us")


@mutant
def heartbeat_details_lost_at_the_next_attempt() -> Iterable[Patch]:
    """The attempt that follows a failed one begins without what that one has left."""
    kept = "details=attempt.details if attempt.details is not None else task.details"
    yield edited(Activities, "_retry", kept, "details=None")


@mutant
def large_payloads_put_after_the_commit() -> Iterable[Patch]:
    """A commit refers to what is not there yet."""
    late: dict[str, Moving] = {}

    async def set_apart(store: Any, commit: Commit, *, now_us: int) -> Commit:
        moving = late[commit.record.id] = Moving(store.capabilities.payload_bytes_max)
        return moving.commit(commit)

    async def write(self: Turns, commit: Commit) -> Any:
        committed = await real(self, commit)
        if (moving := late.pop(commit.record.id, None)) is not None:
            await self._ask(commit.record.id, partial(moving.put, self._store, now_us=self._now_us()))
        return committed

    real = Turns._write
    yield turns, "commit_set_apart", set_apart
    yield Turns, "_write", write


@mutant
def the_end_of_a_run_leaves_its_activities() -> Iterable[Patch]:
    """What was still to be done at the end of the code is done all the same."""
    yield edited(Execution, "_run", "for leaf in list(self.pending.values())", "for leaf in ()")


@mutant
def continuations_forget_their_parent() -> Iterable[Patch]:
    """The second run of a child has nobody to tell how it ended."""
    yield edited(turns, "continued", "failure=None,", "failure=None, parent=None,")


@mutant
def cancel_delivered_twice() -> Iterable[Patch]:
    """A second request interrupts what the first one has begun."""
    yield edited(Execution, "_cancel", "elif not self._cancel_delivered:", "else:")


@mutant
def woken_an_hour_late() -> Iterable[Patch]:
    """The index of timers is an hour behind."""
    here = "wake_at_us = execution.next_deadline_us()"
    later = "wake_at_us = execution.next_deadline_us()\n        wake_at_us = wake_at_us and wake_at_us + 3_600_000_000"
    yield edited(Turns, "_indexed", here, later)


@mutant
def rewound_runs_are_given_their_inputs_again() -> Iterable[Patch]:
    """What the failed run had read is carried into the new one, beside what is copied."""
    seed = "start_at_us=None,"
    read = "carried=(*created.carried, *(x for one in history for x in one.events if isinstance(x, e.EventReceived))),"
    yield edited(rewinding, "_reopen", seed, f"{seed} {read}")


@mutant
def nobody_listens_for_heartbeats() -> Iterable[Patch]:
    """An activity that is silent for too long is left alone."""
    yield edited(RunningAttempt, "_arm", "self.request.options.heartbeat_us is not None", "False")


@mutant
def attempts_may_take_for_ever() -> Iterable[Patch]:
    """An attempt that takes too long is left alone."""
    yield edited(RunningAttempt, "_arm", "self._deadline_us is not None", "False")


@mutant
def early_start() -> Iterable[Patch]:
    """An instance that is to begin later begins when somebody looks at it."""
    yield edited(turn, "_start", "if created.start_at_us is None or created.start_at_us <= now_us", "if True")


@mutant
def the_record_of_a_blocked_instance_says_running() -> Iterable[Patch]:
    """The index does not know that an instance is held."""
    yield edited(
        Turns,
        "_indexed",
        "status=projection.status,",
        "status=record.status if projection.status.is_held else projection.status,",
    )


@mutant
def hash_chain_begun_anew() -> Iterable[Patch]:
    """Each batch is chained to the beginning of its run, and not to the one before it."""
    chained = "wire.encode_batch(header, events, record.last_hash)"
    anew = "wire.encode_batch(header, events, wire.first_hash(record.id, record.run_id))"
    yield edited(turns, "append", chained, anew)


@mutant
def blocking_takes_the_messages_along() -> Iterable[Patch]:
    """What came in for the turn that blocked the instance is taken for consumed."""
    yield edited(
        turns,
        "decide",
        "return blocked(instance, error, spent, surroundings)",
        "return blocked(instance, error, tuple(messages), surroundings)",
    )


@mutant
def held_too_far() -> Iterable[Patch]:
    """A suspended instance sleeps through the next message, too: the one that resumes it."""
    yield edited(Turns, "_hold", "held_through=mail.last_number()", "held_through=mail.last_number() + 1")


@mutant
def a_conflict_costs_the_outcome() -> Iterable[Patch]:
    """What an activity came to is acknowledged when its commit met another one."""
    yield edited(Turns, "_keep_what_is_ours", "kept.append(outcome)", "await self._store.ack(outcome.delivery)")


@mutant
def detached_children_are_stopped() -> Iterable[Patch]:
    """The end of a parent reaches those of its children, too, that it had let go."""
    yield edited(turns, "sends_of_termination", "if not child.detached", "if True")


@mutant
def only_the_first_child_is_stopped() -> Iterable[Patch]:
    """The end of a parent reaches one of its children."""
    stop = "yield _cancel_child(record, child)"
    yield edited(turns, "sends_of_termination", stop, f"{stop}\n            break")


@mutant
def outcomes_are_said_for_any_run() -> Iterable[Patch]:
    """The word of a child does not say which run of its parent it is for."""
    yield edited(outbox, "_word", ", run_id=parent.run_id)", ")")


@mutant
def cancels_before_the_start_mean_nothing() -> Iterable[Patch]:
    """What cancels an instance that is to begin later is dropped. (A child has begun when it can be cancelled.)"""
    said = "return event.parent is None or"
    yield edited(Execution, "accepts", said, f"if self.main is None:\n            return False\n        {said}")


@mutant
def undos_can_be_interrupted() -> Iterable[Patch]:
    """A cancel reaches a saga that is undoing."""
    yield edited(Saga, "_compensate", "fiber.shields += 1", "pass")


@mutant
def sagas_forget_what_is_in_flight() -> Iterable[Patch]:
    """What completes while a saga is left is not undone."""
    wait = "await self._settled([leaf.truth for leaf in self.in_flight.values()])"
    yield edited(Saga, "_compensate", wait, "pass")


@mutant
def late_timers_beat_events() -> Iterable[Patch]:
    """A timer that is due fires before what was accepted before it."""
    before = "deadline is None or waiting[0].accepted_at_us <= deadline[0]"
    yield edited(decide, "take_turn", before, "deadline is None")


@mutant
def times_of_turns_are_forgotten() -> Iterable[Patch]:
    """The time that the code was given is not the one that is written down."""
    stamp = "decision.stamp_us if decision.stamp_us is not None else max(now_us, instance.record.updated_us)"
    yield edited(Turns, "_batch", stamp, "max(now_us, instance.record.updated_us) + 1")
