"""An execution: one run of a program, live. Rebuilt from its history, driven on by messages.

It knows fibers, pending leaves, deadlines and what the code asked for; it does no I/O and reads no clock. Recorded
inputs are applied one by one, each run until every fiber waits; each output the code makes meanwhile is compared with
the recorded one. Live inputs go the same way, with the outputs appended instead.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any, TypeVar

from nexus_sdk.core import events as e
from nexus_sdk.core.current import running
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.fiber import Fiber, Unwind
from nexus_sdk.core.history import Batch
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.mailbox import Mailbox
from nexus_sdk.core.mismatch import Mismatch
from nexus_sdk.core.operation import Operation, RecordedOperation
from nexus_sdk.core.operations.ending import Ending
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.program import (
    Program,
    Site,
    Surfaced,
    event_loop_is_hidden,
    line_of,
    suspended_generators_stay_silent,
)
from nexus_sdk.core.refusal import raised_at, refused_await, refused_yield, turned_out_foreign
from nexus_sdk.errors import (
    BlockingError,
    CancelledError,
    PayloadError,
    ReadOnlyError,
    UnknownQuery,
    UnusedOperationError,
    WaitTimedOut,
)

OutputT = TypeVar("OutputT", bound=e.Output)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which run of which instance this is."""

    instance_id: str
    run_id: str
    run: int
    workflow: str
    version: str
    parent_id: str | None = None

    def child_id(self, path: str) -> str:
        """The default id of the child that the operation at `path` starts."""
        return child_id(self.instance_id, self.run, path)


def child_id(parent_id: str, run: int, path: str) -> str:
    """The default id of the child that the operation at `path` of a run starts."""
    name = f"{parent_id}/{path}" if run == 1 else f"{parent_id}/r{run}/{path}"
    # Deep families: past the longest id, a name that is as unique and says less.
    return name if len(name) <= 256 else f"child/{uuid.uuid5(uuid.NAMESPACE_URL, name)}"


@dataclass(frozen=True, slots=True)
class Services:
    """What the core is given to work with: encoding, and how an exception becomes data."""

    codec: Codec
    describe: Callable[[BaseException], Failure]
    new_run_id: Callable[[], str]


ProgramFactory = Callable[["Execution", Payload], Program]
"""Makes the program from the recorded arguments; raises `PayloadError` when they no longer fit."""


@dataclass(slots=True)
class LogLine:
    """Something the workflow logged in the present turn."""

    level: str
    event: str
    fields: dict[str, Any] = field(default_factory=dict)


class Execution:
    """One run of a program. See the module."""

    def __init__(self, factory: ProgramFactory, identity: Identity, services: Services) -> None:
        self.identity = identity
        self.services = services
        self.main: Fiber | None = None
        self.fiber: Fiber = None  # type: ignore[assignment]  # set before any user code runs
        self.ready: deque[tuple[Fiber, Any, BaseException | None]] = deque()
        self.pending: dict[str, Leaf] = {}
        self.mailbox = Mailbox()
        self.now_us = 0
        self.turn_number = 0
        self.is_disposing = False
        self.last_output: e.Output | None = None
        self.queries: dict[str, Callable[..., Any]] = {}
        self.custom_status: Payload | None = None
        self.created: e.WorkflowCreated | None = None
        self.end: e.Event | None = None
        self._seed = ""
        self._random: Random | None = None
        self._uuids: Random | None = None
        self._factory = factory
        self._fibers: dict[int, Fiber] = {}
        self._deadlines: list[tuple[int, int, str, int]] = []
        self._deadline_count = 0
        self._deadlines_kept = 256  # past this many, those that are over are swept out
        self._ending: Ending | None = None
        self._is_closing = False
        self._cancel_delivered = False
        self._cancel_reason: str | None = None
        self._is_time_up = False
        self._timed_out = False  # the cancellation that was delivered is that of the workflow's timeout
        self._patches: dict[str, bool] = {}
        self._undecided: set[str] = set()  # decided False at a replay, to be recorded in the next live turn
        self._recorded: Sequence[e.Event] | None = None
        self._cursor = 0
        self._outputs: list[e.Event] = []
        self._log_lines: list[LogLine] = []
        self._fault: BlockingError | None = None
        self._dropped: list[BlockingError] = []
        self._is_read_only = False
        self._refused_awaits = 0

    # --- what drives it ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How messages call it: the instance id."""
        return self.identity.instance_id

    @property
    def is_replaying(self) -> bool:
        """Whether the code runs over what it did before."""
        return self._recorded is not None

    def replay(self, batches: Sequence[Batch]) -> None:
        """Apply recorded batches and hold the code to them.

        Raises:
            BlockingError: code and history disagree, or the code broke a rule. The execution is of no more use.
        """
        # A patch may be decided later than the code passes it (False), or no longer be asked for: all are known first.
        for batch in batches:
            for event in batch.events:
                if isinstance(event, e.PatchDecided):
                    self._patches[event.change_id] = event.is_patched
                    self._undecided.discard(event.change_id)
        with self._on_stage():
            for batch in batches:
                self._replay(batch)

    def _replay(self, batch: Batch) -> None:
        self._begin_turn(batch.header.stamped_at_us)
        self._recorded, self._cursor = batch.events, 0
        while (event := self._next_recorded()) is not None:
            if not event.is_input:
                raise Mismatch(self, recorded=event, asked=None, position=self._cursor).error()
            self._cursor += 1
            self._apply(event)
        self._recorded = None

    def begin_turn(self, now_us: int) -> None:
        """Open a live turn, stamped `now_us` or the stamp before, whichever is later."""
        self._begin_turn(now_us)
        self._outputs = [e.PatchDecided("", "", change, False) for change in sorted(self._undecided)]
        self._undecided.clear()
        self._log_lines = []

    def take_events(self) -> list[e.Event]:
        """The events of the live turn so far; the caller has them now."""
        events, self._outputs = self._outputs, []
        return events

    def take_log(self) -> list[LogLine]:
        """What was logged in the live turn so far."""
        lines, self._log_lines = self._log_lines, []
        return lines

    def accepts(self, event: e.Event) -> bool:
        """Whether a live input means anything to this run; one that does not is not recorded."""
        if self.end is not None:
            return False
        if isinstance(event, e.CancelRequested):
            return event.parent is None or (self.created is not None and event.parent == self.created.parent)
        path = getattr(event, "path", None)
        if path:
            leaf = self.pending.get(path)
            return leaf is not None and leaf.accepts(event)
        return not isinstance(event, e.LookRequested)

    def receive(self, event: e.Event) -> None:
        """Record a live input and run the code until every fiber waits."""
        self._outputs.append(event)
        with self._on_stage():
            self._apply(event)

    def due_before(self, limit_us: int) -> tuple[int, str] | None:
        """The earliest deadline up to `limit_us` that was set before this turn: (when, path)."""
        self._drop_stale_deadlines()
        if not self._deadlines:
            return None
        due_us, _, path, turn = self._deadlines[0]
        # What this very turn set fires in the next one, so that a loop of zero-length sleeps cannot hold a turn.
        return (due_us, path) if due_us <= limit_us and turn < self.turn_number else None

    def next_deadline_us(self) -> int | None:
        """When it wants to be woken, None for never."""
        self._drop_stale_deadlines()
        return self._deadlines[0][0] if self._deadlines else None

    def fire(self, path: str) -> None:
        """Fire the deadline of `path`, live."""
        heappop(self._deadlines)
        self.receive(e.TimerFired(path))

    def dispose(self) -> None:
        """Drop a suspended run: no `finally` of its async generators runs; those of helper coroutines run inert."""
        self.is_disposing = True
        with self._on_stage():
            while self._fibers:  # newest first; code that is being thrown away may start yet another one
                self._fibers.popitem()[1].program.dispose()
            self.ready.clear()
            self.pending.clear()
            self.main = None

    def may_refuse_await(self) -> bool:
        """While disposing: whether an await is refused once more. Code that swallows every refusal in a loop would
        never end: after many it is left suspended instead."""
        self._refused_awaits += 1
        return self._refused_awaits < 1_000

    def query(self, name: str, arguments: Sequence[Any]) -> Any:
        """Answer a query, read-only.

        Raises:
            UnknownQuery: no handler of this name is registered at this point.
        """
        if name not in self.queries:
            known = ", ".join(sorted(self.queries)) or "none"
            raise UnknownQuery(f"{self.name}: no query {name!r} at this point; there are: {known}.")
        self._is_read_only = True
        token = running.set(self)  # so that operations know where they are, and refuse
        try:
            return self.queries[name](*arguments)
        finally:
            running.reset(token)
            self._is_read_only = False

    # --- inputs -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _on_stage(self) -> Iterator[None]:
        """Where workflow code runs: operations know their workflow, and asyncio is out of sight."""
        token = running.set(self)
        try:
            with suspended_generators_stay_silent(), event_loop_is_hidden():
                yield
        finally:
            running.reset(token)

    def _apply(self, event: e.Event) -> None:
        """Let an input take effect and run until every fiber waits."""
        self._dispatch(event)
        self._run()

    def _dispatch(self, event: e.Event) -> None:
        path = getattr(event, "path", "")
        if path:
            leaf = self.pending.get(path)
            if leaf is None:
                raise Mismatch(self, recorded=event, asked=None, position=self._cursor - 1).error()
            leaf.apply(event)
            return
        match event:
            case e.WorkflowCreated():
                self._create(event)
            case e.WorkflowStarted():
                self._start()
            case e.EventReceived():
                self.mailbox.deliver(event)
            case e.CancelRequested(reason=reason):
                self._cancel(reason)
            case e.TimerFired():
                self._time_out()
            case e.WorkflowTerminated():
                self.end = event

    def _create(self, event: e.WorkflowCreated) -> None:
        self.created = event
        self._seed = event.seed or self.identity.run_id
        for carried in event.carried:
            if isinstance(carried, e.EventReceived):
                self.mailbox.deliver(carried)
            elif isinstance(carried, e.CancelRequested):
                self._cancel_reason = carried.reason

    def _start(self) -> None:
        assert self.created is not None
        if self.created.timeout_us is not None:
            self.add_deadline(self.now_us + self.created.timeout_us, "")
        program = self._factory(self, self.created.arguments)
        self.main = Fiber(self, "", program)
        self.ready.append((self.main, None, None))
        if self._cancel_reason is not None:
            self._cancel(self._cancel_reason)

    def _cancel(self, reason: str) -> None:
        if self.main is None:
            self._cancel_reason = reason
            self._emit_end(e.WorkflowCancelled("", "", reason))  # it never began to run: nothing to clean up
        elif not self._cancel_delivered:
            self._cancel_reason = reason
            if self._ending is None:
                self._cancel_delivered = True
                self.main.interrupt(CancelledError(reason))

    def _time_out(self) -> None:
        self._is_time_up = True
        if self.main is not None and not self._cancel_delivered and self._ending is None:
            self._cancel_delivered = self._timed_out = True
            self.main.interrupt(CancelledError("the workflow's timeout is over"))

    # --- running ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Run until every fiber waits; when the body has ended, stop what still runs and record the end."""
        self._drain()
        if self.main is None or not self.main.is_settled or self.end is not None:
            return
        if not self._is_closing:
            self._is_closing = True
            for fiber in list(self._fibers.values()):
                fiber.cancel("the workflow has ended")
            self._drain()
        if self._fibers:
            return  # cancelled helpers are at their durable clean-up: the run ends when they are done
        for leaf in list(self.pending.values()):
            leaf.cancel()
        self._emit_end(self._end_event(self.main))

    def _drain(self) -> None:
        while self.ready:
            fiber, value, error = self.ready.popleft()
            fiber.resume(value, error)
            self.raise_fault()

    def _end_event(self, main: Fiber) -> e.Output:
        error = main.error
        site = line_of(self._ending.site) if self._ending else ""
        if self._ending is not None and (error is None or isinstance(error, Unwind)):
            if self._ending.continues:
                return e.ContinuedAsNew("", site, self._ending.payload, self._next_run_id())
            return e.WorkflowCompleted("", site, self._ending.payload)
        if isinstance(error, CancelledError) and not self._timed_out:
            return e.WorkflowCancelled("", site, error.reason)
        if isinstance(error, CancelledError):
            error = WaitTimedOut("the workflow took longer than its timeout")
        if error is None:
            try:
                return e.WorkflowCompleted("", site, self.services.codec.encode(main.value))
            except PayloadError as refused:
                error = refused
        return e.WorkflowFailed("", raised_at(error), self.services.describe(error))

    def _next_run_id(self) -> str:
        if self._recorded is not None:
            recorded = self._next_recorded()
            if isinstance(recorded, e.ContinuedAsNew):
                return recorded.next_run_id
        return self.services.new_run_id()

    def _emit_end(self, event: e.Output) -> None:
        self.end = event
        if self._recorded is None:
            self._outputs.append(event)
            return
        recorded = self._next_recorded()
        if type(recorded) is not type(event):
            raise Mismatch(self, recorded=recorded, asked=event, position=self._cursor).error()
        self._cursor += 1

    # --- outputs ----------------------------------------------------------------------------------------------------

    def output(self, operation: RecordedOperation[Any], path: str) -> None:
        """Record that the code asked for `operation`; at replay, hold it to the record. See `last_output`.

        Raises:
            PayloadError: something that goes with it cannot be encoded.
            NonDeterminismError: history has something else here.
        """
        if self._recorded is None:
            event = operation.record(path)
            self._outputs.append(event)
            self.last_output = event
            return
        recorded = self._next_recorded()
        if isinstance(recorded, e.Output) and recorded.path == path and operation.matches(recorded):
            self._cursor += 1
            self.last_output = recorded
            return
        asked = operation.outline(path)  # what could not be encoded then, cannot now: it raises here as it did live
        raise self.blame(Mismatch(self, recorded=recorded, asked=asked, position=self._cursor).error())

    def note(self, kind: type[OutputT], path: str, site: Site | None) -> None:
        """Record an output that has nothing but its path."""
        if self._recorded is None:
            self._outputs.append(kind(path, line_of(site)))
            return
        recorded = self._next_recorded()
        if type(recorded) is kind and getattr(recorded, "path", None) == path:
            self._cursor += 1
            return
        asked = kind(path, line_of(site))
        raise self.blame(Mismatch(self, recorded=recorded, asked=asked, position=self._cursor).error())

    def annotate(self, value: Any) -> None:
        """Set the custom status. Not compared at replay: it changes nothing that happens."""
        payload = self.services.codec.encode(value)
        self.custom_status = payload
        if self._recorded is None:
            self._outputs.append(e.CustomStatusSet("", "", payload))

    def patched(self, change_id: str) -> bool:
        """What `ctx.patched` answers; decided once per run and recorded."""
        if change_id not in self._patches:
            self._patches[change_id] = not self.is_replaying
            if self.is_replaying:
                self._undecided.add(change_id)
            else:
                self._outputs.append(e.PatchDecided("", "", change_id, True))
        return self._patches[change_id]

    def log(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Keep a log line of a live turn; at replay it was said before."""
        if self._recorded is None and not self.is_disposing:
            self._log_lines.append(LogLine(level, event, fields))

    def add_deadline(self, due_us: int, path: str) -> None:
        """Have `path` told when `due_us` has come. The past is now: no input that is here already comes after it."""
        self._deadline_count += 1
        heappush(self._deadlines, (max(due_us, self.now_us), self._deadline_count, path, self.turn_number))
        if len(self._deadlines) > self._deadlines_kept:
            self._deadlines = [deadline for deadline in self._deadlines if not self._is_stale(deadline[2])]
            heapify(self._deadlines)
            self._deadlines_kept = max(256, 2 * len(self._deadlines))

    def end_with(self, ending: Ending, asked: Fiber) -> None:
        """Unwind the main body and the helper that asked; the run ends so, unless another exception leaves the body."""
        assert self.main is not None
        asked.unwind(asked)
        if self.main.is_settled:
            return  # the body has ended already; this helper was at its clean-up
        self._ending = ending
        if asked is not self.main:
            self.main.unwind(asked)

    @property
    def random(self) -> Random:
        """Chance of this run: the same at every replay. Seeded when it is first asked for, because few runs ask."""
        if self._random is None:
            self._random = Random(f"random:{self._seed}")
        return self._random

    def new_uuid(self) -> uuid.UUID:
        """The next id of this run: the same at every replay."""
        if self._uuids is None:
            self._uuids = Random(f"uuid:{self._seed}")
        return uuid.UUID(int=self._uuids.getrandbits(128), version=4)

    def unread(self) -> tuple[e.Event, ...]:
        """Inputs that the next run inherits: events nobody read, and a cancellation that was not delivered."""
        unread: list[e.Event] = list(self.mailbox.unread())
        if self._cancel_reason is not None and not self._cancel_delivered:
            unread.append(e.CancelRequested(self._cancel_reason))
        return tuple(unread)

    # --- rules ------------------------------------------------------------------------------------------------------

    def enter(self, fiber: Fiber) -> None:
        """A fiber begins."""
        self._fibers[id(fiber)] = fiber

    def leave(self, fiber: Fiber) -> None:
        """A fiber has ended."""
        self._fibers.pop(id(fiber), None)

    @contextmanager
    def running_as(self, fiber: Fiber) -> Iterator[None]:
        """Let operations that are built meanwhile belong to `fiber`."""
        before, self.fiber = self.fiber, fiber
        try:
            yield
        finally:
            self.fiber = before

    def blame(self, fault: BlockingError) -> BlockingError:
        """Note a fault of the code that no user code may swallow; returned, to be raised."""
        self._fault = self._fault or fault
        return fault

    def raise_fault(self) -> None:
        """Raise the fault that was noted, if any."""
        if self._fault is not None:
            raise self._fault

    def report_unused(self, operation: Operation[Any]) -> None:
        """An operation was dropped unused."""
        if not self.is_disposing:
            self._dropped.append(self._unused(operation, "was dropped without being used"))

    def check_dropped(self) -> None:
        """Raise if an operation was dropped in a step that raised nothing."""
        if self._dropped:
            raise self._dropped[0]

    def check_unused(self, fiber: Fiber) -> None:
        """Raise if a fiber ends with an operation built and not used."""
        for reference in fiber.unused.values():
            operation = reference()
            if operation is not None:
                raise self._unused(operation, "is still unused at the end")

    def check_raised(self, error: BaseException) -> None:
        """Stop at faults that came out of the body as exceptions."""
        self._dropped.clear()
        if isinstance(error, KeyboardInterrupt):
            raise error
        fault = turned_out_foreign(self.name, error)
        if fault is not None:
            raise fault

    def refuse_surfaced(self, fiber: Fiber, how: Surfaced, what: Any) -> None:
        """Something surfaced that is not an operation."""
        refuse = refused_yield if how is Surfaced.YIELDED else refused_await
        raise refuse(self.name, fiber.program, what)

    def refuse_when_read_only(self, what: str) -> None:
        """Queries may not do durable work."""
        if self._is_read_only:
            raise ReadOnlyError(f"{self.name}: a query may not use a {what}: it is read-only.")

    def _unused(self, operation: Operation[Any], how: str) -> UnusedOperationError:
        return UnusedOperationError(
            f"{self.name}: the {operation.label} built at {line_of(operation.site)} {how}.",
            hint="A forgotten `yield` or `await`? To start something now and wait for it later, ctx.spawn it.",
        )

    def _drop_stale_deadlines(self) -> None:
        while self._deadlines:
            if not self._is_stale(self._deadlines[0][2]):
                return
            heappop(self._deadlines)

    def _is_stale(self, path: str) -> bool:
        leaf = self.pending.get(path)
        return self._is_time_up if not path else leaf is None or leaf.is_settled

    # --- the recorded batch -----------------------------------------------------------------------------------------

    def _begin_turn(self, stamp_us: int) -> None:
        self.now_us = max(self.now_us, stamp_us)
        self.turn_number += 1

    def _next_recorded(self) -> e.Event | None:
        """The next recorded event that counts: annotations and patch decisions are passed over."""
        assert self._recorded is not None
        while self._cursor < len(self._recorded):
            event = self._recorded[self._cursor]
            if not event.is_ignorable and not isinstance(event, e.PatchDecided):
                return event
            if isinstance(event, e.CustomStatusSet):
                self.custom_status = event.value
            self._cursor += 1
        return None
