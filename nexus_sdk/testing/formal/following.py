"""Traces of the engine, held to the specification: the twin takes each step that the engine makes a store take.

After every verb the twin's state must be that of the store. A step that the specification does not allow, or that
leads to another state than its own, is `Refused`, by its name. What a trace does not show is chosen so that it fits:
which of its looks at the inbox a turn has used, when a lease ended (not before its time), what the code has read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nexus_sdk.codec import wire
from nexus_sdk.core import events as e
from nexus_sdk.core.request import task_id
from nexus_sdk.core.status import Status
from nexus_sdk.engine.birth import read_message
from nexus_sdk.store.item import Item
from nexus_sdk.store.port import (
    CancelTask,
    Commit,
    Committed,
    Delivery,
    InboxMessage,
    Task,
    TaskDelivery,
    TurnDelivery,
)
from nexus_sdk.testing.formal import instance, transactional
from nexus_sdk.testing.formal.state import (
    NOBODY,
    Bounds,
    Choice,
    Hand,
    LoggedBatch,
    Message,
    Name,
    NotEnabled,
    TaskInHand,
    TaskNow,
    is_event,
)
from nexus_sdk.testing.formal.transactional import TransactionalState

UNBOUNDED = Bounds()

LOOKS_KEPT = 4
"""So many of a process's looks at an instance may be those that a turn of it has used."""

DEADLINE = "deadline"
"""What stands for a deadline that is no timer of the history."""

STARTS_LATER = "start"
"""The timer of an instance whose start was put off."""

_STATUSES = {Status.SUSPENDED: "suspended", Status.BLOCKED: "blocked"}

_REQUESTS = {e.WorkflowSuspended: "suspend", e.WorkflowResumed: "resume", e.WorkflowTerminated: "terminate"}

_OUTCOMES = (e.ActivityCompleted, e.ActivityFailed, e.ActivityCancelled)


class Refused(Exception):
    """The specification does not allow what the engine did; the message names the step."""


class NotFollowed(Refused):
    """This instance is not followed any more: one of its turns gave up more activities than one write can hold."""


@dataclass(slots=True)
class Followed:
    """An instance and the twin's idea of it.

    Attributes:
        places: where a batch is in `log`, by run id and number, with its turn id.
        names: what the twin calls the messages of the inbox, by their numbers.
        due_us: when each timer is due.
        looks: what each worker saw when it was delivered the turn (by token), or loaded (by process); latest first.
        spent: messages that were consumed without a batch.
        remembered: the ids of those that were accepted before it was rewound, and would be known again.
    """

    item: Item
    state: TransactionalState
    places: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    names: dict[int, Message] = field(default_factory=dict)
    due_us: dict[Name, int] = field(default_factory=dict)
    looks: dict[str, tuple[Hand, ...]] = field(default_factory=dict)
    spent: frozenset[Message] = frozenset()
    remembered: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The instance's id."""
        return self.item.record.id

    @property
    def last_name(self) -> int:
        """The number of the youngest message that has a name."""
        return max(self.names, default=0)


class Follower:
    """Follows all instances of a store. It is told of each verb right after it took place.

    Args:
        items: the store's instances, by their ids.

    Attributes:
        steps: so many steps of the specification were taken.
    """

    def __init__(self, items: Callable[[], dict[str, Item]]) -> None:
        self.steps = 0
        self._items = items
        self._followed: dict[str, Followed] = {}
        self._beyond: list[Item] = []
        """The instances that are not followed any more."""

    # --- the verbs ----------------------------------------------------------------------------------------------------

    def created(self, id: str) -> None:
        """Somebody has created an instance, or tried to."""
        self._meet(id, f"create {id}")

    def purged(self, id: str) -> None:
        """An instance is gone."""
        if id not in self._items():
            self._followed.pop(id, None)

    def loaded(self, id: str, process: str) -> None:
        """A process has read an instance."""
        followed = self._followed.get(id)
        if followed is None:
            return
        nothing_seen = replace(followed.state, hand={})
        self._note_look(followed, process, instance.load(nothing_seen, process).hand_of(process))

    def sent(self, messages: Sequence[InboxMessage], settles: Sequence[Delivery]) -> None:
        """Messages were accepted, and deliveries settled by it."""
        what = f"send {' '.join(message.id for message in messages)}"
        for id in dict.fromkeys(message.instance_id for message in messages):
            followed = self._of(id)
            reported = {}
            for delivery in settles:
                if isinstance(delivery, TaskDelivery) and delivery.task.instance_id == id:
                    reported["outcome", delivery.task.id] = delivery
            for name in self._fresh_names(followed):
                if name in reported:
                    delivery = reported.pop(name)
                    self._take(followed, what, "Report", instance.report, _holder(delivery), _in_hand(delivery))
                else:
                    self._take(followed, what, "Accept", instance.accept, name)
            for delivery in reported.values():  # its message lies there already
                self._take(followed, what, "Report", instance.report, _holder(delivery), _in_hand(delivery))
            for message in messages:
                if message.instance_id == id and not _is_known(followed, message):
                    raise Refused(f"{what}: {id} has not accepted {message.id}")
            self._compare(followed, what)

    def received(self, deliveries: Sequence[Delivery], now_us: int) -> None:
        """These were leased to somebody."""
        for delivery in deliveries:
            if isinstance(delivery, TurnDelivery):
                self._turn_leased(delivery, now_us)
            else:
                self._task_leased(delivery, "receive")
        for delivery in deliveries:
            self._compare(self._of(_instance_of(delivery)), f"receive {delivery.token}")

    def retried(self, delivery: TaskDelivery) -> None:
        """A failed attempt was replaced by the next one."""
        self._on_task(delivery, "retry", "Retry", instance.retry, UNBOUNDED)

    def released(self, delivery: Delivery) -> None:
        """A delivery was given back, if it was still its holder's."""
        followed = self._followed.get(_instance_of(delivery))
        if followed is None:
            return
        holder, what = _holder(delivery), f"release {delivery.token}"
        if isinstance(delivery, TaskDelivery):
            if followed.state.is_mine(holder, _in_hand(delivery)):
                self._on_task(delivery, "release", "ReleaseTask", instance.release_task, UNBOUNDED)
        elif delivery.token in followed.looks and followed.state.turn.holder == holder:
            if followed.item.turn.token is None:  # else the same worker has been delivered it anew
                self._take(followed, what, "ReleaseTurn", instance.release_turn, holder, UNBOUNDED)
        self._compare(followed, what)

    def acknowledged(self, delivery: Delivery) -> None:
        """A delivery was settled without a turn, if it was still its holder's."""
        followed = self._followed.get(_instance_of(delivery))
        if followed is None:
            return
        holder, what = _holder(delivery), f"ack {delivery.token}"
        if isinstance(delivery, TaskDelivery):
            if followed.state.is_mine(holder, _in_hand(delivery)):
                self._on_task(delivery, "ack", "AckTask", instance.ack_task)
        elif followed.state.turn.holder == holder and followed.item.turn.token is None:
            self._take(followed, what, "AckTurn", instance.ack_turn, holder)
        self._compare(followed, what)

    def came(self, id: str) -> None:
        """Messages of others came to an instance, or somebody has created it; or an older batch's sends were made."""
        self._meet(id, f"a send to {id}")
        followed = self._followed.get(id)
        if followed is not None:
            for name in self._fresh_names(followed):
                self._take(followed, f"a send to {id}", "Accept", instance.accept, name)
            self._compare(followed, f"a send to {id}")

    def committed(self, commit: Commit, reply: Committed, process: str, now_us: int, *, is_split: bool = False) -> None:
        """A turn was committed, or had been before. `is_split`: what it sends to others is still to be sent."""
        followed = self._of(commit.record.id)
        first = commit.batches[0] if commit.batches else None
        known = followed.places.get((first.run_id, first.number)) if first is not None else None
        what = f"commit of batch {commit.expected + 1} of {commit.record.id} by {process}"
        if first is not None and known is not None and known[1] == first.turn_id:
            self._compare(followed, f"{what}, once more")
            return
        turn = _ReadTurn(commit)
        if turn.is_rewind:
            before = self._followed.pop(commit.record.id)
            self._meet(commit.record.id, what)
            # A turn of the run before may be committed once more, by who has not heard of it.
            self._of(commit.record.id).places |= before.places
        else:
            self._turn_taken(followed, commit, turn, process, now_us, what)
        if any(isinstance(send, CancelTask) for entry in getattr(followed.item, "outbox", ()) for send in entry.sends):
            self._beyond.append(self._followed.pop(followed.id).item)
            raise NotFollowed(what)
        for delivery in reply.deliveries:
            self._task_leased(delivery, what)
        for id in [commit.record.id] if is_split else list(self._items()):
            self._meet(id, what)
            for name in self._fresh_names(self._of(id)):
                if name[0] != "outcome":  # those came with the turn, from activities that it has given up
                    self._take(self._of(id), what, "Accept", instance.accept, name)
            self._compare(self._of(id), what)
        if not is_split:
            self._check_sends(commit, what)

    # --- what they are in the specification -------------------------------------------------------------------------

    def _turn_leased(self, delivery: TurnDelivery, now_us: int) -> None:
        followed, what = self._of(delivery.instance_id), f"receive {delivery.token}"
        self._pass_time(followed, what, now_us)
        if followed.state.turn.holder != NOBODY:
            self._take(followed, what, "TurnLeaseEnds", instance.turn_lease_ends, UNBOUNDED)
        holder = _holder(delivery)
        self._take(followed, what, "LeaseTurn", instance.lease_turn, holder)
        self._note_look(followed, delivery.token, followed.state.hand_of(holder))

    def _task_leased(self, delivery: TaskDelivery, verb: str) -> None:
        followed, what = self._of(delivery.task.instance_id), f"{verb}: {delivery.token} is given"
        task = followed.state.task_of(delivery.task.id)
        if task.holder != NOBODY:
            self._take(followed, what, "TaskLeaseEnds", instance.task_lease_ends, delivery.task.id, UNBOUNDED)
        self._take(followed, what, "LeaseTask", instance.lease_task, _holder(delivery), delivery.task.id, UNBOUNDED)

    def _on_task(self, delivery: TaskDelivery, verb: str, action: str, step: Any, *more: Any) -> None:
        followed, what = self._of(delivery.task.instance_id), f"{verb} {delivery.token}"
        self._take(followed, what, action, step, _holder(delivery), _in_hand(delivery), *more)
        self._compare(followed, what)

    def _turn_taken(
        self, followed: Followed, commit: Commit, turn: _ReadTurn, process: str, now_us: int, what: str
    ) -> None:
        worker = turn.worker or process
        own = [one for one in commit.settles if _instance_of(one) == followed.id]
        token = next((one.token for one in own if isinstance(one, TurnDelivery)), "")
        named = (followed.names.get(number, ("event", f"#{number}")) for number in commit.consumed)
        # What a turn of which nothing came has used up was there for others to use up once more: the fence stood still.
        used = frozenset(name for name in named if name not in followed.spent)
        for timer in turn.fired:
            if followed.due_us.get(timer, 0) > turn.stamp_us:
                raise Refused(f"{what}: timer {timer} fires {followed.due_us[timer] - turn.stamp_us} µs early")
        followed.state = replace(
            followed.state,
            timer={name: now for name, now in followed.state.timer.items() if name != DEADLINE},
            due=followed.state.due - {DEADLINE},
        )
        self._pass_time(followed, what, turn.stamp_us)
        c = self._choice(followed, commit, turn, bool(token), used, frozenset(map(_in_hand, _tasks(own))))
        looks = (*followed.looks.get(token, ()), *followed.looks.get(process, ()), Hand())
        self._take_turn(followed, what, worker, c, commit, looks)
        for batch in commit.batches:
            index = len(followed.state.log) - len(commit.batches) + commit.batches.index(batch) + 1
            followed.places[batch.run_id, batch.number] = (index, batch.turn_id)
        if STARTS_LATER in turn.fired:
            followed.due_us.pop(STARTS_LATER, None)  # later runs start at once
        followed.due_us.update(turn.started)
        followed.spent |= frozenset() if commit.batches else used
        left = [followed.due_us[timer] for timer in followed.state.timers_set]
        if left and c.then == "go" and (commit.record.wake_at_us is None or commit.record.wake_at_us > min(left)):
            raise Refused(f"{what}: a timer is due at {min(left)}, it is to be woken at {commit.record.wake_at_us}")
        self._note_deadline(followed, commit)

    def _choice(
        self,
        followed: Followed,
        commit: Commit,
        turn: _ReadTurn,
        settles: bool,
        used: frozenset[Message],
        done: frozenset[TaskInHand],
    ) -> Choice:
        """What the turn came to, in the words of the specification."""
        s = followed.state
        then = turn.then(commit)
        has_mail = bool(used) or settles or then in ("hold", "block")
        plain = Choice(then, has_mail, settles, done, used, writes=bool(commit.batches))
        records = turn.resolved
        own = [send for send in commit.sends if getattr(send, "instance_id", "") == followed.id]
        schedules = frozenset(send.id for send in own if isinstance(send, Task))
        cancels = (turn.cancelled | {send.task_id for send in own if isinstance(send, CancelTask)}) & s.pending
        sets, fires, drops = frozenset(turn.started), frozenset(turn.fired) & s.timers_set, frozenset(turn.given_up)
        if then in ("end", "continue"):  # whatever is left is given up
            cancels, drops = frozenset(), frozenset[Name]()
        return plain._replace(
            records=records,
            schedules=schedules,
            cancels=cancels - turn.resolved,
            sets=sets,
            fires=fires,
            drops=drops & s.timers_set,
            reads=len(s.unread) + sum(map(is_event, used)) if commit.batches and not turn.is_terminated else 0,
        )

    def _note_deadline(self, followed: Followed, commit: Commit) -> None:
        """A deadline of another kind than timers (time limits of waits, activities, runs), as the record has it."""
        s, wake_us = followed.state, commit.record.wake_at_us
        left = [followed.due_us[timer] for timer in s.timers_set]
        if s.status == "running" and s.wake != "now" and wake_us is not None and wake_us < min([*left, wake_us + 1]):
            followed.due_us[DEADLINE] = wake_us
            followed.state = replace(s, timer={**s.timer, DEADLINE: "set"}, wake="later")

    def _take_turn(
        self, followed: Followed, what: str, worker: str, c: Choice, commit: Commit, looks: Sequence[Hand]
    ) -> None:
        """Whichever of its looks the worker has used: one must fit."""
        s = followed.state
        place = followed.places.get((commit.expected_run_id, commit.expected), (0, ""))[0]
        hand = s.hand_of(worker)
        refusals: list[Refused] = []
        for look in looks:
            seen = hand._replace(at=place, seen=look.seen, seen_at=look.seen_at, leased=hand.leased or c.settles)
            followed.state = replace(s, hand={**s.hand, worker: seen})
            try:
                self._take(followed, what, "TakeTurn", transactional.take_turn, worker, c, UNBOUNDED)
            except Refused as refused:
                refusals.append(refused)
                continue
            held_through = commit.record.held_through or 0
            heard = {name for number, name in followed.names.items() if number <= held_through}
            if c.then not in ("hold", "block") or followed.state.heard == heard & set(followed.state.inbox):
                return
        raise refusals[0] if refusals else Refused(f"{what}: what it holds back is not what it has seen")

    def _note_look(self, followed: Followed, by: str, look: Hand) -> None:
        followed.looks[by] = (look, *followed.looks.get(by, ()))[:LOOKS_KEPT]

    def _pass_time(self, followed: Followed, what: str, now_us: int) -> None:
        for timer in sorted(followed.state.timers_set - followed.state.due, key=str):
            if followed.due_us[timer] <= now_us:
                self._take(followed, what, "ComeDue", instance.come_due, timer)

    def _check_sends(self, commit: Commit, what: str) -> None:
        """What a turn sends to others is there with it, or was refused."""
        for send in commit.sends:
            if not isinstance(send, InboxMessage) or send.instance_id not in self._followed:
                continue
            target = self._of(send.instance_id)
            if not _is_known(target, send) and target.state.status != "ended":
                raise Refused(f"{what}: {send.id} was sent to {send.instance_id}, and is not there")

    # --- taking steps -------------------------------------------------------------------------------------------------

    def _take(self, followed: Followed, what: str, action: str, step: Any, *given: Any) -> None:
        self.steps += 1
        try:
            followed.state = step(followed.state, *given)
        except NotEnabled as error:
            raise Refused(f"{what}: {action}: {error}") from error
        broken = instance.breaches(followed.state)
        if broken:
            raise Refused(f"{what}: after {action}: {' '.join(broken)}")

    def _of(self, id: str) -> Followed:
        if id not in self._followed:
            is_beyond = any(item.record.id == id for item in self._beyond)
            raise NotFollowed(id) if is_beyond else Refused(f"{id} does something, and was never created")
        return self._followed[id]

    def _meet(self, id: str, what: str) -> None:
        """An instance that was not there before."""
        item = self._items().get(id)
        known = self._followed.get(id)
        if item is None or (known is not None and known.item is item) or any(item is one for one in self._beyond):
            return
        record = item.record
        run = item.runs[record.run_id]
        state = TransactionalState(
            log=tuple(LoggedBatch(1, number) for number in range(1, len(run) + 1)), inbox=(), accepted=()
        )
        followed = self._followed[id] = Followed(item, state)
        followed.places.update({(one.run_id, one.number): (index, one.turn_id) for index, one in enumerate(run, 1)})
        if record.last_batch > 1 or record.run > 1:
            self._adopt(followed)
        elif record.wake_at_us is not None:
            followed.due_us[STARTS_LATER] = record.wake_at_us
            followed.state = replace(state, wake="later", timer={STARTS_LATER: "set"})
        for name in self._fresh_names(followed):
            if name[0] == "outcome":  # of an activity of a run before: it came too late for that one
                followed.state = replace(followed.state, inbox=(*followed.state.inbox, name))
            else:
                self._take(followed, what, "Accept", instance.accept, name)
        self._compare(followed, what)

    def _adopt(self, followed: Followed) -> None:
        """A rewound instance: the specification does not speak of what opened its run."""
        item = followed.item
        tasks = {}
        for id, state in item.tasks.items():
            holder = NOBODY if state.hold.token is None else state.hold.token.rpartition("/")[0]
            here = 1 if state.task.run_id == item.record.run_id else 0
            tasks[id] = TaskNow("open", here, state.task.attempt, holder, False, state.is_cancel_requested)
        wake_us = item.record.wake_at_us
        timers: dict[Name, str] = {} if wake_us is None else {DEADLINE: "set"}
        followed.due_us.update({name: wake_us for name in timers if wake_us is not None})
        for batch in item.runs[item.record.run_id]:
            for event in wire.decode_batch(batch.data).events:
                if isinstance(event, e.TimerStarted):
                    timers[batch.run_id, event.path] = "set"
                    followed.due_us[batch.run_id, event.path] = event.due_us
                elif isinstance(event, e.TimerFired | e.TimerCancelled):
                    timers.pop((batch.run_id, event.path), None)
        turn = followed.state.turn
        if item.turn.token is not None:
            turn = turn._replace(holder=item.turn.token.rpartition("/")[0])
        wake = "later" if timers else "now"
        followed.state = replace(followed.state, task=tasks, timer=timers, wake=wake, turn=turn)
        followed.remembered = frozenset(item.remembered_ids)

    def _fresh_names(self, followed: Followed) -> list[Message]:
        fresh = [message for message in followed.item.inbox.values() if message.number not in followed.names]
        for message in fresh:
            followed.names[message.number] = _name_of(message)
        return [followed.names[message.number] for message in fresh]

    # --- comparing ----------------------------------------------------------------------------------------------------

    def _compare(self, followed: Followed, what: str) -> None:
        """The twin's state is the store's."""
        s, item = followed.state, followed.item
        place = followed.places.get((item.record.run_id, item.record.last_batch), (0, ""))[0]
        names = [followed.names.get(number, ("event", f"#{number}")) for number in item.inbox]
        held = item.record.held_through or 0
        heard = {name for number, name in zip(item.inbox, names, strict=True) if number <= held}
        status = "ended" if item.record.status.is_finished else _STATUSES.get(item.record.status, "running")
        tasks = {
            id: (state.task.attempt, _holder_of(state.hold.token), state.is_cancel_requested)
            for id, state in item.tasks.items()
        }
        # Of a turn that asks for very many activities, those that its own write could not take follow from the outbox.
        entries = getattr(item, "outbox", ())
        to_come = {send.id for entry in entries for send in entry.sends if isinstance(send, Task)}
        pairs: dict[str, tuple[Any, Any]] = {
            "last batch": (len(s.log), place),
            "status": (s.status, status),
            "inbox": (sorted(s.inbox, key=str), sorted(names, key=str)),
            "order of events": (list(filter(is_event, s.inbox)), list(filter(is_event, names))),
            "messages that it does not want a turn for": (set(s.heard), heard if s.status != "running" else set()),
            "turn": (s.turn.holder, _holder_of(item.turn.token)),
            "tasks": (
                {
                    id: (t.attempt, t.holder, t.cancelled)
                    for id, t in s.task.items()
                    if t.is_ == "open" and (id in tasks or id not in to_come)
                },
                tasks,
            ),
        }
        for name, (wanted, found) in pairs.items():
            if wanted != found:
                raise Refused(f"{what}: {name} of {followed.id}: {found}; by the specification: {wanted}")


class _ReadTurn:
    """What a commit says of its turn."""

    def __init__(self, commit: Commit) -> None:
        batches = [wire.decode_batch(batch.data) for batch in commit.batches]
        first = batches[0] if batches else None
        self.events: tuple[e.Event, ...] = first.events if first is not None else ()
        self.is_rewind = any(
            isinstance(event, e.WorkflowCreated) and event.origin == "rewind"
            for batch in batches
            for event in batch.events
        )
        self.is_terminated = bool(self.events) and isinstance(self.events[-1], e.WorkflowTerminated)
        run_id = commit.expected_run_id
        self.stamp_us = first.header.stamped_at_us if first is not None else 0
        self.worker = first.header.worker if first is not None else ""
        if not self.worker and commit.settles:
            self.worker = _holder(commit.settles[0])
        self.started: dict[Name, int] = {}
        self.fired: list[Name] = []
        self.given_up: list[Name] = []
        self.resolved: frozenset[Name] = frozenset()
        self.cancelled: frozenset[Name] = frozenset()
        """Activities that the code does not wait for any more: given up, or their time limit has passed."""
        for event in self.events:
            match event:
                case e.TimerStarted(path=path, due_us=due_us):
                    self.started[run_id, path] = due_us
                case e.TimerFired(path=path):
                    self.fired.append((run_id, path))
                    self.cancelled |= {task_id(run_id, path)}
                case e.ActivityCancelRequested(path=path):
                    self.cancelled |= {task_id(run_id, path)}
                case e.TimerCancelled(path=path) if self.started.pop((run_id, path), None) is None:
                    self.given_up.append((run_id, path))
                case e.WorkflowStarted():
                    self.fired.append(STARTS_LATER)
                case _ if isinstance(event, _OUTCOMES):
                    self.resolved |= {task_id(run_id, event.path)}

    def then(self, commit: Commit) -> str:
        """How it ended."""
        last = self.events[-1] if self.events else None
        match last:
            case e.ContinuedAsNew():
                return "continue"
            case e.WorkflowSuspended():
                return "suspend"
            case e.WorkflowBlocked():
                return "block"
            case None if commit.record.status.is_held:
                return "hold"
            case _:
                return "end" if last is not None and last.is_terminal else "go"


def _name_of(message: InboxMessage) -> Message:
    """An outcome by its activity; what is remembered by its id; all else is new whenever it is accepted."""
    read = read_message(message)
    event = read.event
    if isinstance(event, _OUTCOMES) and read.run_id is not None:
        return "outcome", task_id(read.run_id, event.path)
    name = message.id if message.is_remembered else f"{message.id}#{message.number}"
    return _REQUESTS.get(type(event), "event"), name


def _is_known(followed: Followed, message: InboxMessage) -> bool:
    ids = {str(name).partition("#")[0] for _, name in followed.state.accepted} | followed.remembered
    name = _name_of(message)
    is_told = name in followed.state.inbox or followed.state.task_of(name[1]).is_ == "gone"
    return message.id in ids or (name[0] == "outcome" and is_told)


def _holder(delivery: Delivery) -> str:
    return delivery.token.rpartition("/")[0]


def _holder_of(token: str | None) -> str:
    return NOBODY if token is None else token.rpartition("/")[0]


def _in_hand(delivery: TaskDelivery) -> TaskInHand:
    return TaskInHand(delivery.task.id, delivery.task.attempt)


def _tasks(deliveries: Iterable[Delivery]) -> Iterable[TaskDelivery]:
    return (delivery for delivery in deliveries if isinstance(delivery, TaskDelivery))


def _instance_of(delivery: Delivery) -> str:
    return delivery.instance_id if isinstance(delivery, TurnDelivery) else delivery.task.instance_id
