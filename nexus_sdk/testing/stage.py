"""The stage of a test: definitions as the environment's workers see them.

Every attempt of an activity and every run of a workflow is noted before it begins, with its arguments; where a mock
stands for it, the mock answers. The engine knows nothing of this: it asks a registry, as always.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast
from uuid import NAMESPACE_URL, uuid5

from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.info import current_attempt
from nexus_sdk.authoring.registry import Registry
from nexus_sdk.authoring.signature import Signature
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.core.execution import Execution
from nexus_sdk.core.options import ActivityOptions
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.program import CoroutineProgram, Program
from nexus_sdk.core.shown import shown
from nexus_sdk.engine.attempt import RunningAttempt
from nexus_sdk.errors import InvalidArgument, MockExhausted
from nexus_sdk.testing.mocks import Mock, as_failure

T = TypeVar("T")

Definition = Activity[Any, Any] | Workflow[Any, Any]
Role = tuple[type[Definition], str]
"""Which definition: its kind and its name."""


class Stage:
    """The mocks of an environment, and what was called.

    Attributes:
        trouble: what a mock could not answer, to be raised by whoever waits for the test's workflows.
    """

    def __init__(self) -> None:
        self.trouble: MockExhausted | None = None
        self._mocks: dict[Role, Mock] = {}
        self._definitions: dict[Role, Definition] = {}
        self._queues: set[str] = set()
        self._calls: dict[Role, list[tuple[Any, ...]]] = {}
        self._runs: set[Hashable] = set()
        self._outcomes: dict[Hashable, tuple[Any, BaseException | None]] = {}

    def take_mocks_of(self, other: Stage) -> None:
        """The same mocks, each at its beginning."""
        self._mocks = {role: mock.anew() for role, mock in other._mocks.items()}
        self._definitions, self._queues = dict(other._definitions), set(other._queues)

    def mock(self, role: Role, definition: Definition | None, **answers: Any) -> None:
        """Let a mock stand for a definition from now on, in place of any before. See `Mock`.

        Args:
            definition: it itself, where it is known: its signature and its task queue count.
        """
        kind, name = role
        mock = Mock(f"{'activity' if kind is Activity else 'child workflow'} {name!r}", **answers)
        if kind is Workflow and mock.is_async:
            raise InvalidArgument(
                f"the mock of {mock.what}: calls= takes a plain function here.", hint="A workflow has no event loop."
            )
        if definition is not None:
            self._definitions[role] = definition
        if isinstance(definition, Activity):
            self._queues.add(definition.activity_options.task_queue)
        self._mocks[role] = mock

    def mock_of(self, role: Role) -> Mock | None:
        """The mock that stands for it, if one does."""
        return self._mocks.get(role)

    def definition_of(self, role: Role) -> Definition | None:
        """What was mocked, where it is known."""
        return self._definitions.get(role)

    @property
    def queues(self) -> frozenset[str]:
        """The queues of the activities that are mocked."""
        return frozenset(self._queues)

    def calls_of(self, role: Role) -> list[tuple[Any, ...]]:
        """The arguments of each call, the oldest first."""
        return list(self._calls.get(role, ()))

    # --- for those on it --------------------------------------------------------------------------------------------

    def heard(self, role: Role, arguments: tuple[Any, ...]) -> None:
        """An attempt of an activity begins."""
        self._calls.setdefault(role, []).append(arguments)

    def run_began(self, role: Role, run: Hashable, arguments: tuple[Any, ...]) -> None:
        """A run of a workflow begins, or is replayed."""
        if run not in self._runs:
            self._runs.add(run)
            self._calls.setdefault(role, []).append(arguments)

    async def answer_attempt(self, role: Role, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A mock's answer to an attempt of an activity."""
        attempt = cast("RunningAttempt", current_attempt.get())
        key = (attempt.delivery.task.id, attempt.request.tries)
        try:
            answer = self._mocks[role].answer(key, args, kwargs)
        except MockExhausted as error:
            self.trouble = error
            raise as_failure(error) from None
        return await answer if inspect.isawaitable(answer) else answer

    async def answer_run(self, role: Role, run: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A mock's answer to a run of a child workflow: the same at each replay."""
        if run not in self._outcomes:
            try:
                self._outcomes[run] = self._mocks[role].answer(run, args, kwargs), None
            except MockExhausted as error:
                self.trouble = error
                self._outcomes[run] = None, as_failure(error)
            except BaseException as error:
                self._outcomes[run] = None, error
        value, raised = self._outcomes[run]
        if raised is not None:
            raise raised
        return value


class StagedRegistry(Registry):
    """What an app serves, on a stage.

    Args:
        stage: its mocks are served, too.
        is_strict: replays compare what operations were given, too.
    """

    def __init__(
        self,
        workflows: Iterable[Workflow[Any, Any]],
        activities: Iterable[Activity[Any, Any]],
        stage: Stage,
        *,
        is_strict: bool,
    ) -> None:
        super().__init__(workflows, activities)
        self._stage = stage
        self._is_strict = is_strict
        self._own_queues = frozenset(a.activity_options.task_queue for a in self.activities.values()) | {"default"}
        self._staged: dict[tuple[Role, str, int], Any] = {}

    @property
    def task_queues(self) -> frozenset[str]:
        """The queues of the activities, and of those that are mocked."""
        return self._own_queues | self._stage.queues

    def workflow(self, name: str, version: str) -> Workflow[Any, Any] | None:
        """See `Registry.workflow`."""
        role: Role = (Workflow, name)
        real = super().workflow(name, version)
        if real is None and self._stage.mock_of(role) is not None:
            real = cast("Workflow[Any, Any] | None", self._stage.definition_of(role))
        if real is None:
            return None
        make = partial(StagedWorkflow, real, self._stage, is_strict=self._is_strict)
        return self._once((role, version, id(real)), make)

    def activity(self, name: str) -> Activity[Any, Any] | None:
        """See `Registry.activity`."""
        role: Role = (Activity, name)
        real = super().activity(name) or cast("Activity[Any, Any] | None", self._stage.definition_of(role))
        mock = self._stage.mock_of(role)
        if real is None and mock is None:
            return None
        key = (role, "mocked" if mock is not None else "", id(real))
        return self._once(key, partial(staged_activity, name, real, self._stage))

    def _once(self, key: tuple[Role, str, int], make: Callable[[], T]) -> T:
        if key not in self._staged:
            self._staged[key] = make()
        staged: T = self._staged[key]
        return staged


# --- activities -------------------------------------------------------------------------------------------------------


def staged_activity(name: str, real: Activity[Any, Any] | None, stage: Stage) -> Activity[Any, Any]:
    """An activity whose attempts the stage hears of, and which its mock answers for, if one stands for it.

    Args:
        real: the definition; None where only a name was mocked: then any arguments are taken.
    """
    role: Role = (Activity, name)
    original = real.signature if real is not None else Signature(_anything, skip=0)
    signature = HeardSignature(original, partial(stage.heard, role))
    if real is not None and stage.mock_of(role) is None:
        return Activity(real.fn, name, real.activity_options, real.compensate, signature)

    async def mocked(*args: Any, **kwargs: Any) -> Any:
        positional, named = signature.as_called(args, kwargs)
        return await stage.answer_attempt(role, positional, named)

    options = real.activity_options if real is not None else ActivityOptions()
    return Activity(mocked, name, options, None, signature)


def _anything(*arguments: Any) -> None:
    """Takes whatever was recorded."""


class HeardSignature(Signature):
    """A signature that tells of the arguments when an attempt binds them: right before it runs, on the event loop."""

    def __init__(self, original: Signature, hear: Callable[[tuple[Any, ...]], None]) -> None:
        super().__init__(original.fn, skip=0, local_names=original.local_names)
        self._hear = hear

    def unbind(self, recorded: Any, codec: Codec) -> tuple[list[Any], dict[str, Any]]:
        """See `Signature.unbind`."""
        if self.fn is _anything and not isinstance(recorded, list | tuple):
            recorded = list(recorded.values())
        kept = super().unbind(copy.deepcopy(recorded), codec)  # what the function does to its own is not its call
        self._hear(in_order(self, *kept))
        return super().unbind(recorded, codec)

    def as_called(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments by position as far as they may be, for a function that calls its parameters otherwise."""
        only_named = {p.name for p in self.parameters if p.kind is p.KEYWORD_ONLY}
        named = {name: value for name, value in kwargs.items() if name in only_named}
        extra = {name: value for name, value in kwargs.items() if name not in {p.name for p in self.parameters}}
        others = {name: value for name, value in kwargs.items() if name not in named and name not in extra}
        return in_order(self, args, others), {**named, **extra}


def in_order(signature: Signature, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Arguments as a tuple, in the order of the parameters.

    What the call left to its default is left out, unless something follows it. Arguments that only go by name follow in
    the order of the parameters; those of ``**kwargs``, if there are any, are a dict at the end.
    """
    given = signature.bind(args, kwargs)
    last = max((number for number, p in enumerate(signature.parameters) if p.name in given), default=-1)
    values: list[Any] = []
    for parameter in signature.parameters[: last + 1]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            values.extend(given.get(parameter.name, ()))
        elif parameter.name in given:
            values.append(given[parameter.name])
        elif parameter.kind is not parameter.VAR_KEYWORD and parameter.default is not parameter.empty:
            values.append(parameter.default)
    return tuple(values)


# --- workflows --------------------------------------------------------------------------------------------------------


class StagedWorkflow(Workflow[Any, Any]):
    """A workflow whose runs the stage hears of, and which its mock answers for, if one stands for it."""

    def __init__(self, real: Workflow[Any, Any], stage: Stage, *, is_strict: bool) -> None:
        super().__init__(real.fn, real.name, real.version, real.timeout_us, signature=real.signature)
        self._stage = stage
        self._is_strict = is_strict

    def program(self, execution: Execution, arguments: Payload) -> Program:
        """See `Workflow.program`."""
        execution.ledger.is_strict = self._is_strict
        # The next run's id follows from this one's: so its chance is the same however often workers died meanwhile.
        next_run_id = uuid5(NAMESPACE_URL, f"{execution.identity.run_id}/next").hex
        execution.services = replace(execution.services, new_run_id=lambda: next_run_id)
        role: Role = (Workflow, self.name)
        run = (execution.identity.instance_id, execution.identity.run_id)
        codec = execution.services.codec
        args, kwargs = self.signature.unbind(codec.decode(arguments) or {}, codec)
        self._stage.run_began(role, run, in_order(self.signature, args, kwargs))
        if self._stage.mock_of(role) is None:
            return super().program(execution, arguments)
        positional = in_order(self.signature, args, kwargs)
        return CoroutineProgram(self._stage.answer_run(role, run, positional, {}))


# --- who is meant -----------------------------------------------------------------------------------------------------


def role_of(meant: Any, registry: Registry) -> tuple[Role, Definition | None]:
    """The role that a definition or a name stands for, and the definition where it is known.

    A name is an activity's, unless it is a workflow's of the app and no activity's.

    Raises:
        InvalidArgument: it is neither.
    """
    if isinstance(meant, Activity):
        return (Activity, meant.name), meant
    if isinstance(meant, Workflow):
        return (Workflow, meant.name), meant
    if not isinstance(meant, str) or not meant:
        raise InvalidArgument(
            f"this takes an activity, a workflow or the name of one, got {shown(meant)}.",
            hint="What was it decorated with? @activity or @workflow make the definitions.",
        )
    versions = [workflow for (name, _), workflow in registry.workflows.items() if name == meant]
    if versions and meant not in registry.activities:
        return (Workflow, meant), versions[-1]
    return (Activity, meant), registry.activities.get(meant)
