"""Fibers: one strand of workflow code. The main body is one; every helper in gather, race, map or spawn is another."""

from __future__ import annotations

import weakref
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from nexus_sdk.core.node import Node
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.program import AWAITED, RAISED, RETURNED, YIELDED, Program, Site
from nexus_sdk.errors import CancelledError

if TYPE_CHECKING:
    from nexus_sdk.core.execution import Execution
    from nexus_sdk.core.saga import Saga


class Unwind(BaseException):
    """Leaves the main body after `complete` or `continue_as_new`, so that `finally` blocks run. Private.

    `fiber` is the one that asked for it: the main body, or a helper, which is unwound as well.
    """

    def __init__(self, fiber: Fiber) -> None:
        super().__init__()
        self.fiber = fiber


class Fiber(Node):
    """A strand of workflow code, and the one way to interrupt it.

    Attributes:
        waiting: the node it is suspended on; None while it runs or is about to.
        interrupts: errors to be raised at its suspension, in order; held back while `shields` is positive.
        saga: the innermost open saga; inherited by the fibers it starts.
        fresh: the operation that was built last, if it has not been used yet. Nearly every one is used at once.
        unused: those before it that have not been used yet.
    """

    __slots__ = (
        "execution",
        "fresh",
        "interrupts",
        "is_cancelled",
        "is_interrupting",
        "is_started",
        "next_number",
        "program",
        "saga",
        "shields",
        "unused",
        "waiting",
    )

    def __init__(self, execution: Execution, path: str, program: Program, saga: Saga | None = None) -> None:
        Node.__init__(self, path)
        self.execution = execution
        self.program = program
        self.saga = saga
        self.waiting: Node | None = None
        self.interrupts: deque[BaseException] = deque()
        self.is_cancelled = False
        self.is_interrupting = False
        self.is_started = False
        self.shields = 0
        self.next_number = 0
        self.fresh: Operation[Any] | None = None
        self.unused: dict[int, weakref.ref[Operation[Any]]] = {}
        if saga is not None:
            saga.helpers.append(self)
        execution.enter(self)

    def next_path(self) -> str:
        """The path of the next operation of this fiber."""
        number = self.next_number
        self.next_number = number + 1
        return f"{self.path}.{number}" if self.path else str(number)

    def resume(self, value: Any, error: BaseException | None) -> None:
        """Run until it suspends on an operation or ends."""
        if self.is_settled:
            return
        self.is_started = True
        execution = self.execution
        execution.fiber = self
        how, what = self.program.resume(value, error)
        rules = execution.rules
        if how is RAISED and not self._is_unwound_by_itself(what):
            self.fresh = None
            self.unused.clear()  # an exception that leaves the body wins over a forgotten yield
            rules.check_raised(what)
            self._end(error=what)
            return
        is_suspended = how is YIELDED or how is AWAITED
        is_operation = is_suspended and isinstance(what, Operation)
        if is_operation:
            what.use()
        if self.fresh is not None:
            self.put_aside()
        if rules.dropped:
            raise rules.dropped[0]
        if is_operation:
            self.wait_for(what.start(self, self.next_path()))
        elif is_suspended:
            rules.refuse_surfaced(self.program, how, what)
        else:
            rules.check_unused(self)
            self._end(what) if how is RETURNED else self._end(error=what)

    def put_aside(self) -> None:
        """Look after the operation that was built last and not used at once: it may be used later, or be dropped."""
        operation = self.fresh
        if operation is None:
            return
        self.fresh = None
        # What could not even be built has no label; whoever built it has the error.
        label = getattr(operation, "label", operation.what)
        on_dropped = partial(self._report_dropped, id(operation), label, operation.site)
        self.unused[id(operation)] = weakref.ref(operation, on_dropped)

    def _report_dropped(self, key: int, label: str, site: Site | None, _: object) -> None:
        if self.unused.pop(key, None) is not None:
            self.execution.rules.report_dropped(label, site)

    def wait_for(self, node: Node) -> None:
        """Suspend on a node; interrupts that are due strike at once."""
        self.waiting = node
        node.then(self._on_settled)
        if self.interrupts:
            self._strike()

    def interrupt(self, error: BaseException) -> None:
        """Have `error` raised where the fiber is suspended, once what it waits on has been given up and cleaned up."""
        if self.is_settled:
            return
        if not self.is_started and self is not self.execution.main:
            self.program.dispose()
            self._end(error=error)
            return
        self.interrupts.append(error)
        self._strike()

    def withdraw(self, error: BaseException) -> None:
        """Take back an interrupt that has not struck yet."""
        if error in self.interrupts:
            self.interrupts.remove(error)

    def unshield(self) -> None:
        """Leave a shielded section; what was held back strikes at the next suspension."""
        self.shields -= 1

    def cancel(self, reason: str = "") -> None:
        """Interrupt with `CancelledError`, once: its clean-up is left alone. It settles when its code has ended."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self.interrupt(CancelledError(reason))

    def unwind(self, asked: Fiber) -> None:
        """Leave the body because `asked` ends the run. Nothing cancels it any more."""
        self.is_cancelled = True
        self.interrupt(Unwind(asked))

    @property
    def is_interrupted(self) -> bool:
        """Whether an interrupt is going to strike at the next suspension."""
        return bool(self.interrupts) and not self.shields

    def _is_unwound_by_itself(self, error: BaseException) -> bool:
        return isinstance(error, Unwind) and error.fiber is self

    def _strike(self) -> None:
        if self.is_interrupted and not self.is_interrupting and self.waiting is not None:
            self.is_interrupting = True
            self.waiting.cancel()

    def _on_settled(self, node: Node) -> None:
        self.waiting = None
        if self.is_interrupting:
            self.is_interrupting = False
            self.execution.ready.append((self, None, self.interrupts.popleft()))
        else:
            self.execution.ready.append((self, node.value, node.error))

    def _end(self, value: Any = None, error: BaseException | None = None) -> None:
        self.interrupts.clear()
        self.execution.leave(self)
        self.settle(value, error)
