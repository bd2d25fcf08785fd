"""An execution: one run of a program, live. Rebuilt from its history, driven on by messages.

It knows fibers, pending leaves, deadlines and what the code asked for; it does no I/O and reads no clock. Recorded
inputs are applied one by one, each run until every fiber waits; each output the code makes meanwhile is compared with
the recorded one. Live inputs go the same way, with the outputs appended instead.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from nexus_sdk.core import events as e
from nexus_sdk.core.current import running
from nexus_sdk.core.deadlines import Deadlines
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.fiber import Fiber, Unwind
from nexus_sdk.core.history import Batch
from nexus_sdk.core.leaf import Leaf
from nexus_sdk.core.ledger import Ledger
from nexus_sdk.core.mailbox import Mailbox
from nexus_sdk.core.operations.ending import Ending
from nexus_sdk.core.operations.timer import TimerLeaf
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.program import Program, Stage, line_of
from nexus_sdk.core.refusal import raised_at
from nexus_sdk.core.rules import Rules
from nexus_sdk.errors import (
    CancelledError,
    PayloadError,
    UnknownQuery,
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


class _OnStage(Stage):
    """The stage, with `running` set to an execution."""

    __slots__ = ("_execution", "_token")

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def __enter__(self) -> None:
        self._token = running.set(self._execution)
        super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        running.reset(self._token)


ProgramFactory = Callable[["Execution", Payload], Program]
"""Makes the program from the recorded arguments; raises `PayloadError` when they no longer fit."""


class Execution:
    """One run of a program. See the module."""

    def __init__(self, factory: ProgramFactory, identity: Identity, services: Services) -> None:
        self.identity = identity
        self.services = services
        self.rules = Rules(identity.instance_id)
        self.ledger = Ledger(identity, self.rules, services.codec)
        self.main: Fiber | None = None
        self.fiber: Fiber = None  # type: ignore[assignment]  # set before any user code runs
        self.ready: deque[tuple[Fiber, Any, BaseException | None]] = deque()
        self.pending: dict[str, Leaf] = {}
        self.mailbox = Mailbox()
        self.now_us = 0
        self.turn_number = 0
        self.queries: dict[str, Callable[..., Any]] = {}
        self.created: e.WorkflowCreated | None = None
        self.end: e.Event | None = None
        self._seed = ""
        self._random: Random | None = None
        self._uuids: Random | None = None
        self._factory = factory
        self._fibers: dict[int, Fiber] = {}
        self._deadlines = Deadlines(self._is_stale)
        self._ending: Ending | None = None
        self._is_closing = False
        self._cancel_delivered = False
        self._cancel_reason: str | None = None
        self._is_time_up = False
        self._timed_out = False  # the cancellation that was delivered is that of the workflow's timeout

    # --- what drives it ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How messages call it: the instance id."""
        return self.identity.instance_id

    def replay(self, batches: Iterable[Batch]) -> None:
        """Apply recorded batches and hold the code to them.

        Args:
            batches: iterated over once, and again where it matters what comes later: to explain a mismatch, and for
                code that asks for patches.

        Raises:
            BlockingError: code and history disagree, or the code broke a rule. The execution is of no more use.
        """
        ledger = self.ledger
        ledger.open_history(batches)
        with self.on_stage():
            for batch in batches:
                self._begin_turn(batch.header.stamped_at_us)
                ledger.open_recorded(batch.events)
                while (event := ledger.next_input()) is not None:
                    self._apply(event)
                ledger.value_bytes += batch.value_bytes

    def explore(self, effect: e.Event | Callable[[], None], now_us: int = 0) -> None:
        """Let an input take effect that may not be what is recorded, or something be settled by hand; and go on.

        For who asks what the code would do: whoever explores an execution has put a ledger of his own in its place.
        """
        self._begin_turn(now_us)
        with self.on_stage():
            if isinstance(effect, e.Event):
                self._dispatch(effect)
            else:
                effect()
            self._run()

    def begin_turn(self, now_us: int) -> None:
        """Open a live turn, stamped `now_us` or the stamp before, whichever is later."""
        self._begin_turn(now_us)
        self.ledger.open_live()

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
        """Record a live input and run the code until every fiber waits; `on_stage`."""
        self.ledger.append(event)
        self._apply(event)

    def due_before(self, limit_us: int) -> tuple[int, str] | None:
        """The earliest deadline up to `limit_us` that was set before this turn: (when, path)."""
        deadline = self._deadlines.next()
        if deadline is None:
            return None
        due_us, path, turn = deadline
        # What this very turn set fires in the next one, so that a loop of zero-length sleeps cannot hold a turn.
        return (due_us, path) if due_us <= limit_us and turn < self.turn_number else None

    def next_deadline_us(self) -> int | None:
        """When it wants to be woken, None for never."""
        deadline = self._deadlines.next()
        return None if deadline is None else deadline[0]

    def is_asleep(self, until_us: int) -> bool:
        """Whether it waits for timers alone, and for none of them before that time."""
        wanted_us = self.next_deadline_us()
        is_far = wanted_us is not None and wanted_us > until_us
        return is_far and all(isinstance(leaf, TimerLeaf) for leaf in self.pending.values())

    def fire(self, path: str) -> None:
        """Fire the deadline of `path`, live: the earliest one; `on_stage`."""
        self._deadlines.pop()
        self.receive(e.TimerFired(path))

    def dispose(self) -> None:
        """Drop a suspended run: no `finally` of its async generators runs; those of helper coroutines run inert."""
        self.rules.is_disposing = True
        with self.on_stage():
            while self._fibers:  # newest first; code that is being thrown away may start yet another one
                self._fibers.popitem()[1].program.dispose()
            self.ready.clear()
            self.pending.clear()
            self.main = None

    def query(self, name: str, arguments: Sequence[Any]) -> Any:
        """Answer a query, read-only.

        Raises:
            UnknownQuery: no handler of this name is registered at this point.
        """
        if name not in self.queries:
            known = ", ".join(sorted(self.queries)) or "none"
            raise UnknownQuery(
                f"{self.name}: no query {name!r} at this point; there are: {known}.",
                hint="Check the spelling; a query is there once the workflow has passed its ctx.on_query.",
            )
        self.rules.is_read_only = True
        token = running.set(self)  # so that operations know where they are, and refuse
        try:
            return self.queries[name](*arguments)
        finally:
            running.reset(token)
            self.rules.is_read_only = False

    # --- inputs -----------------------------------------------------------------------------------------------------

    def on_stage(self) -> _OnStage:
        """Where workflow code runs: operations know their workflow, and asyncio is out of sight."""
        return _OnStage(self)

    def _apply(self, event: e.Event) -> None:
        """Let an input take effect and run until every fiber waits."""
        watcher = self.ledger.watcher
        if watcher is None:
            self._dispatch(event)
        else:
            number = self.ledger.position  # taking it in may pass recorded outputs, too
            self._dispatch(event)
            watcher.applied(number, event)
        self._run()

    def _dispatch(self, event: e.Event) -> None:
        path = getattr(event, "path", "")
        if path:
            leaf = self.pending.get(path)
            if leaf is None:
                raise self.ledger.missing_leaf(event)
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
            case e.WorkflowSuspended() | e.WorkflowResumed() | e.WorkflowBlocked() | e.WorkflowUnblocked():
                self.ledger.pass_over(event)

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
        main = self.main
        if main is None or not main.is_settled or self.end is not None:
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
        self._emit_end(self._end_event(main))

    def _drain(self) -> None:
        ready, rules = self.ready, self.rules
        while ready:
            fiber, value, error = ready.popleft()
            fiber.resume(value, error)
            if rules.fault is not None:
                raise rules.fault

    def _end_event(self, main: Fiber) -> e.Output:
        error = main.error
        site = line_of(self._ending.site) if self._ending else ""
        if self._ending is not None and (error is None or isinstance(error, Unwind)):
            if self._ending.continues:
                next_run_id = self.ledger.recorded_next_run_id() or self.services.new_run_id()
                return e.ContinuedAsNew("", site, self._ending.payload, next_run_id)
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

    def _emit_end(self, event: e.Output) -> None:
        self.end = event
        self.ledger.end(event)

    # --- for operations and for the context ---------------------------------------------------------------------------

    def add_deadline(self, due_us: int, path: str) -> None:
        """Have `path` told when `due_us` has come. The past is now: no input that is here already comes after it."""
        self._deadlines.add(max(due_us, self.now_us), path, self.turn_number)

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

    # --- fibers -----------------------------------------------------------------------------------------------------

    def enter(self, fiber: Fiber) -> None:
        """A fiber begins."""
        self._fibers[id(fiber)] = fiber

    @property
    def fibers(self) -> Sequence[Fiber]:
        """The fibers that have not ended, in the order in which they began."""
        return tuple(self._fibers.values())

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
            fiber.put_aside()
            self.fiber = before

    def _is_stale(self, path: str) -> bool:
        leaf = self.pending.get(path)
        return self._is_time_up if not path else leaf is None or leaf.is_settled

    def _begin_turn(self, stamp_us: int) -> None:
        self.now_us = max(self.now_us, stamp_us)
        self.turn_number += 1
