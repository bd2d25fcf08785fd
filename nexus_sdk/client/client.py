"""The client: starts instances, finds them, lists them. Works with or without a worker in the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar, overload
from uuid import NAMESPACE_URL, uuid5

from nexus_sdk.authoring.duration import Duration, moment_us, to_us
from nexus_sdk.authoring.ids import check_instance_id
from nexus_sdk.authoring.registry import Registry
from nexus_sdk.authoring.workflow import BoundCall, Workflow
from nexus_sdk.client.handle import Handle
from nexus_sdk.client.status import Page, status_of
from nexus_sdk.core.operation import Operation
from nexus_sdk.core.payload import Codec
from nexus_sdk.core.status import Status
from nexus_sdk.engine.birth import Start, new_instance
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.instance import Surroundings
from nexus_sdk.errors import DefinitionError, InstanceExists, InstanceNotFound, InvalidArgument
from nexus_sdk.store.port import InstanceRecord, Query, Store

R = TypeVar("R")
Attributes = Mapping[str, str | int | float | bool]


class Client:
    """What an application asks the store through."""

    def __init__(self, store: Store, registry: Registry, codec: Codec, environment: Environment) -> None:
        self.store = store
        self.registry = registry
        self.codec = codec
        self.environment = environment
        self.surroundings = Surroundings(registry, codec, environment, "", "")

    @overload
    async def start(
        self,
        workflow: Workflow[..., R] | Operation[R] | BoundCall[R],
        *args: Any,
        id: str | None = ...,
        on_conflict: str = ...,
        delay: Duration | datetime | None = ...,
        attributes: Attributes | None = ...,
        request_id: str | None = ...,
    ) -> Handle[R]: ...
    @overload
    async def start(
        self,
        workflow: str,
        *args: Any,
        id: str | None = ...,
        on_conflict: str = ...,
        delay: Duration | datetime | None = ...,
        attributes: Attributes | None = ...,
        request_id: str | None = ...,
    ) -> Handle[Any]: ...
    async def start(
        self,
        workflow: Any,
        *args: Any,
        id: str | None = None,
        on_conflict: str = "raise",
        delay: Duration | datetime | None = None,
        attributes: Attributes | None = None,
        request_id: str | None = None,
    ) -> Handle[Any]:
        """Start an instance; durable when this returns.

        Args:
            workflow: a workflow with its positional arguments behind it, or a bound call: ``fulfil(order=o)``.
            id: the instance's id; by default a random one.
            on_conflict: what to do when another request has the id: ``"raise"``, or ``"attach"`` to the instance.
            delay: how long after now, or when, it begins to run.
            attributes: short values to find it by.
            request_id: the same request again gives the same handle; without an `id`, too.

        Raises:
            InstanceExists: the id is taken; with ``attach``: by a start with other arguments.
            DefinitionError: the arguments do not fit the signature, or this app has no such workflow.
            PayloadError: an argument is not of the annotated type, or cannot be encoded.
        """
        if on_conflict not in ("raise", "attach"):
            raise InvalidArgument(f"on_conflict is 'raise' or 'attach', got {on_conflict!r:.60}.")
        definition, arguments = self._bound(workflow, args)
        token = self.environment.randomness.token
        request = _checked_text(request_id, "request_id") if request_id is not None else token()
        # Without an id the request makes one: the same request, the same instance.
        instance_id = check_instance_id(id) if id is not None else uuid5(NAMESPACE_URL, request).hex
        now_us = self.environment.clock.now_us()
        checked = definition.signature.check(arguments, self.codec)
        start = Start(
            instance_id,
            definition.name,
            definition.version,
            self.codec.encode(checked),
            request_id=request,
            timeout_us=definition.timeout_us,
            start_at_us=_start_at_us(delay, now_us),
            attributes=_checked_attributes(attributes or {}),
        )
        new = new_instance(start, run_id=token(), turn_id=token(), now_us=now_us)
        handle: Handle[Any] = Handle(self, instance_id, definition.result_type)
        try:
            await self.store.create(new, now_us=now_us)
        except InstanceExists as error:
            if on_conflict == "raise":
                raise
            self._check_same_start(await self.store.find(instance_id), new.record, error)
        return handle

    def get(self, id: str) -> Handle[Any]:
        """A handle for an id. No I/O: whether it exists shows when it is used."""
        return Handle(self, check_instance_id(id))

    async def list(
        self,
        status: Status | str | Iterable[Status | str] | None = None,
        workflow: str | None = None,
        attributes: Attributes | None = None,
        created_after: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """A page of instances, newest first."""
        if not isinstance(limit, int) or not 1 <= limit <= 1_000:
            raise InvalidArgument(f"list: limit is from 1 to 1000, got {limit!r:.60}.")
        query = _query(status, workflow, attributes, created_after)
        page = await self.store.list(query, limit=limit, cursor=cursor)
        return Page([status_of(record, self.codec) for record in page.records], page.cursor)

    async def count(
        self,
        status: Status | str | Iterable[Status | str] | None = None,
        workflow: str | None = None,
        attributes: Attributes | None = None,
        created_after: datetime | None = None,
    ) -> int:
        """How many instances match."""
        return await self.store.count(_query(status, workflow, attributes, created_after))

    async def exists(self, id: str) -> bool:
        """Whether there is an instance of this id."""
        try:
            await self.store.find(check_instance_id(id))
        except InstanceNotFound:
            return False
        return True

    # --- inside -----------------------------------------------------------------------------------------------------

    def _bound(self, workflow: Any, args: tuple[Any, ...]) -> tuple[Workflow[Any, Any], dict[str, Any]]:
        if isinstance(workflow, BoundCall):
            if args:
                raise DefinitionError("a bound call has its arguments already.", hint="client.start(fulfil(order=o)).")
            return self._served(workflow.workflow), dict(workflow.arguments)
        if isinstance(workflow, str):
            workflow = self.registry.latest(workflow)
        if not isinstance(workflow, Workflow):
            raise DefinitionError(
                f"start takes what @workflow made, or a call of it, got {workflow!r:.80}.",
                hint="client.start(fulfil, order) or client.start(fulfil(order=order)).",
            )
        definition = self._served(workflow)
        try:
            return definition, definition.signature.bind(args, {})
        except TypeError as error:
            raise DefinitionError(str(error), hint="Keyword arguments go with a bound call: fulfil(order=o).") from None

    def _served(self, workflow: Workflow[Any, Any]) -> Workflow[Any, Any]:
        if self.registry.workflow(workflow.name, workflow.version) is None:
            raise DefinitionError(
                f"this app does not serve workflow {workflow.name!r} version {workflow.version!r}.",
                hint="Name it in Nexus(…, workflows=[…]).",
            )
        return workflow

    def _check_same_start(self, found: InstanceRecord, asked: InstanceRecord, error: InstanceExists) -> None:
        if found.start_digest != asked.start_digest:
            raise InstanceExists(
                f"{found.id} exists and was started otherwise (workflow {found.workflow!r}, "
                f"{'other arguments' if found.workflow == asked.workflow else 'another workflow'}).",
                hint="Choose another id, or the arguments it was started with.",
            ) from error


def _start_at_us(delay: Duration | datetime | None, now_us: int) -> int | None:
    if delay is None:
        return None
    if isinstance(delay, datetime):
        return moment_us(delay, "delay")
    return now_us + to_us(delay, "delay")


def _checked_text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidArgument(f"{what} is a text, got {value!r:.60}.")
    return value


def _checked_attributes(attributes: Attributes) -> Attributes:
    for name, value in attributes.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool):
            raise InvalidArgument(f"attributes are texts, numbers or booleans by name, got {name!r:.40}={value!r:.60}.")
    return dict(attributes)


def _query(status: Any, workflow: str | None, attributes: Attributes | None, created_after: datetime | None) -> Query:
    wanted = [] if status is None else [status] if isinstance(status, str) else list(status)
    try:
        statuses = frozenset(Status(one) for one in wanted)
    except ValueError:
        raise InvalidArgument(f"a status is one of {', '.join(Status)}; got {status!r:.60}.") from None
    query = Query(statuses, workflow, _checked_attributes(attributes or {}))
    if created_after is not None:
        query = replace(query, created_after_us=moment_us(created_after, "created_after"))
    return query
