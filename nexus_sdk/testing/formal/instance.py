"""The actions of `docs/formal/Instance.tla`, in its order: each gives the next state, or raises `NotEnabled`.

The one rule: what is changed here is changed there, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from nexus_sdk.testing.formal.state import (
    NOBODY,
    Bounds,
    Choice,
    Hand,
    LoggedBatch,
    Message,
    Name,
    State,
    TaskInHand,
    TaskNow,
    TurnLease,
    is_client_message,
    is_event,
    require,
)

S = TypeVar("S", bound=State)
V = TypeVar("V")


def with_item(mapping: Mapping[Name, V], key: Name, value: V) -> Mapping[Name, V]:
    """The mapping with one item being another."""
    return {**mapping, key: value}


def gone(task: TaskNow) -> TaskNow:
    """An activity that is not open any more."""
    return TaskNow("gone", task.run, cancelled=task.cancelled)


def spend(s: S, kind: str, bounds: Bounds) -> float:
    """The faults that are left after one of this kind."""
    require(kind in bounds.fault_kinds and s.faults > 0, f"no fault of the kind {kind!r} may happen")
    return s.faults - 1


# --- clients and time -------------------------------------------------------------------------------------------------


def accept(s: S, message: Message) -> S:
    """A client's message is accepted."""
    require(s.status != "ended", "the instance has ended")
    require(message not in s.accepted, f"{message} was accepted before")
    return replace(s, inbox=(*s.inbox, message), accepted=(*s.accepted, message))


def come_due(s: S, timer: Name) -> S:
    """The time of a timer has come."""
    require(s.timer.get(timer) == "set" and timer not in s.due, f"timer {timer} is not set, or due already")
    return replace(s, due=s.due | {timer})


# --- leases -----------------------------------------------------------------------------------------------------------


def turn_lease_ends(s: S, bounds: Bounds) -> S:
    """The lease of the turn runs out."""
    require(s.turn.holder != NOBODY and not s.turn.expired, "nobody holds the turn")
    faults = s.faults if not s.hand_of(s.turn.holder).leased else spend(s, "stall", bounds)
    return replace(s, turn=s.turn._replace(expired=True), faults=faults)


def task_lease_ends(s: S, activity: Name, bounds: Bounds) -> S:
    """The lease of an activity runs out."""
    task = s.task_of(activity)
    require(task.is_ == "open" and task.holder != NOBODY and not task.expired, f"nobody holds activity {activity}")
    is_forgotten = TaskInHand(activity, task.attempt) not in s.doing_of(task.holder)
    faults = s.faults if is_forgotten else spend(s, "stall", bounds)
    return replace(s, task=with_item(s.task, activity, task._replace(expired=True)), faults=faults)


# --- receive and load -------------------------------------------------------------------------------------------------


def lease_turn(s: S, worker: Name) -> S:
    """A worker is delivered the instance, with its pending messages."""
    require(s.is_ready, "the instance wants no turn")
    require(s.turn.holder == NOBODY or s.turn.expired, f"{s.turn.holder} holds the turn")
    hand = s.hand_of(worker)
    require(hand.phase == "idle", f"{worker} waits for the reply to a commit")
    hand = hand._replace(leased=True, seen=s.inbox, seen_at=len(s.log))
    return replace(s, turn=TurnLease(worker), hand=with_item(s.hand, worker, hand))


def lease_task(s: S, worker: Name, activity: Name, bounds: Bounds) -> S:
    """A worker is delivered an activity; after a lost lease it is the next attempt."""
    task = s.task_of(activity)
    require(task.is_ == "open", f"activity {activity} is not open")
    require(task.holder == NOBODY or task.expired, f"{task.holder} holds activity {activity}")
    is_next = task.holder != NOBODY and task.attempt <= bounds.attempts_max
    task = task._replace(holder=worker, expired=False, attempt=task.attempt + is_next)
    held = s.doing_of(worker) | {TaskInHand(activity, task.attempt)}
    return replace(s, task=with_item(s.task, activity, task), doing=with_item(s.doing, worker, held))


def has_something(s: State, worker: Name) -> bool:
    """Whether a worker has anything to do for the instance."""
    return s.hand_of(worker).leased or bool(s.doing_of(worker))


def load(s: S, worker: Name) -> S:
    """A worker reads the instance: history and inbox are of one moment."""
    hand = s.hand_of(worker)
    require(hand.phase == "idle", f"{worker} waits for the reply to a commit")
    fresh = hand._replace(at=len(s.log), seen_at=len(s.log), seen=s.inbox)
    require(fresh != hand, "there is nothing new")
    return replace(s, hand=with_item(s.hand, worker, fresh))


def warm(s: S, worker: Name) -> S:
    """A worker has a warm execution that is up to date; the mail is what was delivered before."""
    hand = s.hand_of(worker)
    require(hand.phase == "idle" and hand.at != len(s.log), "there is nothing new")
    return replace(s, hand=with_item(s.hand, worker, hand._replace(at=len(s.log))))


# --- the turn ---------------------------------------------------------------------------------------------------------


def latest_request(seen: Iterable[Message]) -> str:
    """Of the requests to hold the instance and to let it go on, the latest."""
    return next((kind for kind, _ in reversed(tuple(seen)) if kind in ("suspend", "resume")), "none")


def has_termination(seen: Iterable[Message]) -> bool:
    """Whether somebody wants it terminated."""
    return any(kind == "terminate" for kind, _ in seen)


def meant(s: State, activities: Iterable[Name]) -> frozenset[Name]:
    """Those whose outcome means something: they are of this run, and it is the first."""
    return frozenset(a for a in activities if s.task_of(a).run == s.run and s.outcomes.get(a, 0) == 0)


def check_committable(s: State, worker: Name, c: Choice) -> None:
    """The conditions of the write itself: the fence, and leases that nobody else has taken."""
    hand = s.hand_of(worker)
    require(s.status != "ended", "the instance has ended")
    require(hand.phase == "idle" and hand.at > 0, f"{worker} has not loaded the instance")
    require(hand.at == len(s.log), f"the fence: {worker} is at batch {hand.at}, the instance at {len(s.log)}")
    for one in c.done:
        require(one in s.doing_of(worker), f"{worker} was never given {one}")
        require(s.is_not_lost(worker, one), f"{one} is not {worker}'s any more: {s.task_of(one.of)}")
    if c.mail:
        require(hand.seen_at > 0, f"{worker} has not seen the inbox")
        require(hand.seen_at == hand.at, f"the mail is of batch {hand.seen_at}, the execution of {hand.at}")
    if c.settles:
        is_not_lost = s.turn.holder in (worker, NOBODY)
        require(c.mail and hand.leased and is_not_lost, f"the turn is not {worker}'s: {s.turn}")


def has_reason(s: State, worker: Name, c: Choice) -> bool:
    """Whether anything leads to such a turn: only those are tried within bounds."""
    has_mail = c.mail and (c.settles or bool(s.hand_of(worker).seen) or bool(c.fires))
    return has_mail or bool(c.done) or c.then == "block"


def check_allowed(s: State, worker: Name, c: Choice, bounds: Bounds) -> None:
    """What each way to end a turn demands, given the status and the messages seen."""
    seen = s.hand_of(worker).seen if c.mail else ()
    request, is_resumed = latest_request(seen), latest_request(seen) == "resume"
    goes_on = s.status == "running" or is_resumed or (s.status == "blocked" and request == "none")
    require(c.used <= set(seen), f"messages are consumed that were not seen: {sorted(map(str, c.used - set(seen)))}")
    require(c.then != "hold" or not c.writes, "a turn that leaves everything where it is writes no batch")
    if not c.writes:
        require(c.then == "hold" or (c.then == "go" and s.status == "running"), f"{c.then} without a batch")
        require(c.asks_for_nothing and s.wake != "now", f"something came of the turn, and it has no batch: {c}")
    if has_termination(seen) and c.then not in ("block", "hold"):
        require(c.then == "end" and c.used == set(seen) and c.asks_for_nothing, "it was to be terminated")
    match c.then:
        case "go":
            require(goes_on and request != "suspend", f"it is {s.status}, and goes on")
            wanted = {a for a in meant(s, c.brings) - c.cancels if not s.task_of(a).cancelled}
            require(wanted <= c.records, f"outcomes recorded: {set(c.records)}, those that came: {wanted}")
        case "end":
            require(goes_on or has_termination(seen), f"it is {s.status}, and ends")
        case "continue":
            require(goes_on and s.run < bounds.runs_max, f"it is {s.status}, and continues as new")
        case "suspend":
            require(request == "suspend" and s.status in ("running", "blocked"), "nobody has asked to suspend it")
            require(any(kind == "suspend" for kind, _ in c.used), "the request to suspend it is left")
            require(s.status == "running" or (not c.done and c.asks_for_nothing), "a blocked instance did something")
        case "block":
            require(s.status == "running" or is_resumed, f"it is {s.status}, and blocked")
            require(not c.done and c.asks_for_nothing, "a turn that blocks did something")
            require(all(kind in ("suspend", "resume") for kind, _ in c.used), "a turn that blocks took messages along")
        case "hold":
            is_held = s.status == "blocked" or (s.status == "suspended" and not is_resumed)
            require(is_held, f"it is {s.status}, and was to go on")
            require(c.mail and not c.used and not c.done and c.asks_for_nothing, "a held instance did something")


def check_askable(s: State, c: Choice) -> None:
    """What the code may ask for, given what happened before."""
    for activity in c.schedules:
        require(s.task_of(activity).is_ == "none", f"activity {activity} is asked for twice")
    given_up = c.cancels | c.lapses
    require(given_up <= s.pending - c.records, f"activities given up that nobody waits for: {given_up - s.pending}")
    require(not c.cancels & c.lapses, "an activity is given up twice")
    for timer in c.sets:
        require(s.timer.get(timer, "none") == "none", f"timer {timer} is set twice")
    require(c.fires <= s.due_timers, f"timers fire that are not due: {set(c.fires - s.due_timers)}")
    require(c.drops <= s.timers_set - c.fires, f"timers are given up that are not set: {set(c.drops)}")
    require(not c.sends & s.sent, f"sent twice: {set(c.sends & s.sent)}")
    require(c.records <= meant(s, c.brings), f"outcomes are recorded that did not come: {set(c.records)}")
    require(c.reads <= len(s.unread) + sum(map(is_event, c.used)), "more events are read than there are")


def commit(s: S, worker: Name, c: Choice, bounds: Bounds, *, is_answered: bool = True) -> S:
    """The write of a turn, all of it at once. `is_answered`: whether the worker hears that it was made."""
    check_committable(s, worker, c)
    check_allowed(s, worker, c, bounds)
    check_askable(s, c)
    faults = s.faults
    if not is_answered:
        require(c.then == "go" and c.writes, "only replies to turns that go on are lost here")
        faults = spend(s, "reply", bounds)
    elif c.then == "block":
        faults = spend(s, "block", bounds)
    hand = s.hand_of(worker)
    used = tuple(message for message in (hand.seen if c.mail else ()) if message in c.used)
    pool = s.unread + tuple(filter(is_event, used))
    log = s.log + _new_batches(s, worker, c, is_answered=is_answered)
    inbox = _inbox_after(s, c)
    timer = {**s.timer, **_timers_after(s, c)}
    doing = s.doing_of(worker) - c.done
    return replace(
        s,
        log=log,
        run=s.run + (c.then == "continue"),
        status={"end": "ended", "suspend": "suspended", "block": "blocked", "hold": s.status}.get(c.then, "running"),
        wake=_wake_after(c, timer),
        inbox=inbox,
        heard=frozenset(hand.seen if c.mail else ()) & set(inbox) if c.then in ("hold", "block") else frozenset(),
        task={**s.task, **_tasks_after(s, c)},
        timer=timer,
        turn=TurnLease() if c.then == "end" or c.settles else s.turn,
        consumed=s.consumed + used,
        unread=pool[c.reads :],
        reads=s.reads + c.reads,
        outcomes=_counted(s.outcomes, c.records | c.lapses),
        taken=_counted(s.taken, {one.of for one in c.done}),
        sent=s.sent | c.sends,
        doing=with_item(s.doing, worker, doing),
        hand=with_item(s.hand, worker, _hand_after(hand, c, log, has_more=bool(doing), is_answered=is_answered)),
        faults=faults,
    )


def given_up(s: State, c: Choice) -> frozenset[Name]:
    """Activities that the turn gives up: those it names, and at the end of a run all that are left."""
    left = s.open_here if c.then in ("end", "continue") else frozenset()
    return (c.cancels | c.lapses | left) - {one.of for one in c.done}


def _new_batches(s: State, worker: Name, c: Choice, *, is_answered: bool) -> tuple[LoggedBatch, ...]:
    if not c.writes:
        return ()
    next_number, by = s.hand_of(worker).at + 1, NOBODY if is_answered else worker
    batch = LoggedBatch(s.run, next_number, by)
    return (batch, LoggedBatch(s.run + 1, next_number + 1, by)) if c.then == "continue" else (batch,)


def _tasks_after(s: State, c: Choice) -> dict[Name, TaskNow]:
    after = {activity: TaskNow("open", s.run, 1) for activity in c.schedules}
    for activity in given_up(s, c):
        task = s.task_of(activity)
        after[activity] = (gone(task) if task.holder == NOBODY else task)._replace(cancelled=True)
    for one in c.done:
        task = gone(s.task_of(one.of))
        after[one.of] = task._replace(cancelled=task.cancelled or one.of in c.cancels)
    return after


def _inbox_after(s: State, c: Choice) -> tuple[Message, ...]:
    left = tuple(message for message in s.inbox if message not in c.used)
    if c.then == "end":
        return left
    tasks = ((activity, s.task_of(activity)) for activity in given_up(s, c))
    removed = sorted(activity for activity, task in tasks if task.is_ == "open" and task.holder == NOBODY)
    return left + tuple(("outcome", activity) for activity in removed if ("outcome", activity) not in left)


def _timers_after(s: State, c: Choice) -> dict[Name, str]:
    dropped = s.timers_set if c.then in ("end", "continue") else c.drops
    return {**dict.fromkeys(dropped, "dropped"), **dict.fromkeys(c.fires, "fired"), **dict.fromkeys(c.sets, "set")}


def _wake_after(c: Choice, timer: Mapping[Name, str]) -> str:
    if c.then == "continue":
        return "now"
    return "later" if c.then == "go" and "set" in timer.values() else "never"


def _hand_after(hand: Hand, c: Choice, log: tuple[LoggedBatch, ...], *, has_more: bool, is_answered: bool) -> Hand:
    kept = Hand() if c.settles or not hand.leased else Hand(leased=True) if c.mail else hand
    if not is_answered:
        return kept._replace(at=hand.at, phase="unsure")
    is_over = c.then in ("end", "suspend", "block", "hold") or not (kept.leased or has_more)
    return kept._replace(at=0 if is_over else len(log))


def _counted(counts: Mapping[Name, int], more: Iterable[Name]) -> Mapping[Name, int]:
    return {**counts, **{name: counts.get(name, 0) + 1 for name in more}}


def repeat(s: S, worker: Name) -> S:
    """The same commit again: the store knows it."""
    hand = s.hand_of(worker)
    require(hand.phase == "unsure", f"{worker} has made no commit whose reply was lost")
    require(s.log[hand.at].by == worker, "the next batch is another's")
    return replace(s, hand=with_item(s.hand, worker, hand._replace(phase="idle", at=0)))


# --- what else a worker does with what it has -------------------------------------------------------------------------


def _without(s: S, worker: Name, delivery: TaskInHand) -> Mapping[Name, frozenset[TaskInHand]]:
    require(delivery in s.doing_of(worker), f"{worker} was never given {delivery}")
    return with_item(s.doing, worker, s.doing_of(worker) - {delivery})


def report(s: S, worker: Name, delivery: TaskInHand) -> S:
    """The outcome of an activity goes through the inbox."""
    doing = _without(s, worker, delivery)
    require(s.is_not_lost(worker, delivery), f"{delivery} is not {worker}'s any more: {s.task_of(delivery.of)}")
    require(s.status != "ended", "the instance has ended")
    outcome = ("outcome", delivery.of)
    return replace(
        s,
        task=with_item(s.task, delivery.of, gone(s.task_of(delivery.of))),
        inbox=s.inbox if outcome in s.inbox else (*s.inbox, outcome),
        taken=_counted(s.taken, [delivery.of]),
        doing=doing,
    )


def retry(s: S, worker: Name, delivery: TaskInHand, bounds: Bounds) -> S:
    """A failed attempt is replaced by the next one."""
    doing = _without(s, worker, delivery)
    require(s.is_mine(worker, delivery), f"{delivery} is not {worker}'s any more: {s.task_of(delivery.of)}")
    require(delivery.attempt < bounds.attempts_max, "there was the last attempt already")
    task = s.task_of(delivery.of)._replace(holder=NOBODY, expired=False, attempt=delivery.attempt + 1)
    return replace(s, task=with_item(s.task, delivery.of, task), doing=doing)


def release_task(s: S, worker: Name, delivery: TaskInHand, bounds: Bounds) -> S:
    """An activity is given back unused."""
    doing = _without(s, worker, delivery)
    require(s.is_mine(worker, delivery), f"{delivery} is not {worker}'s any more: {s.task_of(delivery.of)}")
    task = s.task_of(delivery.of)._replace(holder=NOBODY, expired=False)
    return replace(s, task=with_item(s.task, delivery.of, task), doing=doing, faults=spend(s, "drain", bounds))


def release_turn(s: S, worker: Name, bounds: Bounds) -> S:
    """The turn is given back unused."""
    hand = s.hand_of(worker)
    require(hand.phase == "idle" and hand.leased, f"{worker} was not delivered the turn")
    turn = TurnLease() if s.turn.holder == worker else s.turn
    return replace(s, turn=turn, hand=with_item(s.hand, worker, Hand()), faults=spend(s, "drain", bounds))


def conflict(s: S, worker: Name) -> S:
    """Somebody else was faster: keep what is still one's own, and look again."""
    hand, doing = s.hand_of(worker), s.doing_of(worker)
    require(hand.phase == "idle" and s.status != "ended", "there is nothing to be looked at again")
    theirs = frozenset(one for one in doing if not s.is_mine(worker, one))
    is_lost = hand.leased and s.turn.holder != worker
    is_behind = hand.at not in (0, len(s.log)) and has_something(s, worker)
    require(bool(theirs) or is_lost or is_behind, "nobody else was faster")
    turn = TurnLease() if hand.leased and s.turn.holder == worker else s.turn
    return replace(
        s, turn=turn, doing=with_item(s.doing, worker, doing - theirs), hand=with_item(s.hand, worker, Hand())
    )


def ack_task(s: S, worker: Name, delivery: TaskInHand) -> S:
    """The instance has ended: the outcome is late, and acknowledged."""
    require(s.status == "ended", "the instance has not ended: the outcome is wanted")
    doing = _without(s, worker, delivery)
    task = s.task_of(delivery.of)
    after = gone(task) if s.is_mine(worker, delivery) else task
    return replace(s, task=with_item(s.task, delivery.of, after), doing=doing)


def ack_turn(s: S, worker: Name) -> S:
    """The instance has ended: there is no turn to be taken."""
    hand = s.hand_of(worker)
    require(s.status == "ended" and hand.phase == "idle" and hand != Hand(), "there is a turn to be taken")
    turn = TurnLease() if s.turn.holder == worker else s.turn
    return replace(s, turn=turn, hand=with_item(s.hand, worker, Hand()))


def forget(s: S, worker: Name, delivery: TaskInHand, bounds: Bounds) -> S:
    """A reply was lost, with the delivery that it handed out."""
    return replace(s, doing=_without(s, worker, delivery), faults=spend(s, "reply", bounds))


def crash(s: S, worker: Name, bounds: Bounds) -> S:
    """A worker dies; the next one under its name knows nothing."""
    require(s.hand_of(worker) != Hand() or bool(s.doing_of(worker)), f"{worker} has nothing to lose")
    doing = with_item(s.doing, worker, frozenset[TaskInHand]())
    return replace(s, hand=with_item(s.hand, worker, Hand()), doing=doing, faults=spend(s, "crash", bounds))


# --- the laws that are states -----------------------------------------------------------------------------------------


def breaches(s: State) -> list[str]:
    """The invariants of the specification that do not hold, by their names there."""
    events = [tuple(filter(is_event, messages)) for messages in (s.consumed, s.inbox, s.accepted)]
    kept = sorted(map(str, filter(is_client_message, s.consumed + s.inbox)))
    numbers = [batch.number for batch in s.log]
    laws = {
        "BatchesAreContiguous": numbers == list(range(1, len(s.log) + 1)),
        "ActivitiesResolveOnce": all(n <= 1 for n in s.outcomes.values()),
        "InputsAreKeptInOrder": events[0] + events[1] == events[2] and kept == sorted(map(str, s.accepted)),
        "EventsAreReadInOrder": events[0][s.reads :] == s.unread,
        "TimersAreNotEarly": all(timer in s.due for timer, now in s.timer.items() if now == "fired"),
        "TimersAreIndexed": s.status != "running" or not s.timers_set or s.wake == "later",
        "OutcomesAreTakenOnce": all(n <= 1 for n in s.taken.values()),
        "OutcomesAreKept": all(
            s.outcomes.get(name, 0) > 0 or ("outcome", name) in s.inbox
            for name, task in s.task.items()
            if task.is_ == "gone" and task.run == s.run and not task.cancelled and s.status != "ended"
        ),
        "EndedRunsLeaveNothing": all(
            task.cancelled
            for task in s.task.values()
            if task.is_ == "open" and (task.run != s.run or s.status == "ended")
        ),
        "OnlyTheHeldAreDeaf": not s.heard or s.status in ("suspended", "blocked"),
        "SendsAreMadeOnce": all(n <= 1 and (n == 0 or peer in s.sent) for peer, n in s.got.items()),
    }
    return [name for name, holds in laws.items() if not holds]
