"""The client: starts instances, finds them, lists them. Works with or without a worker in the process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar, TypeVarTuple, Unpack, overload
from uuid import NAMESPACE_URL, uuid5

from nexus_sdk.authoring.duration import Duration, moment_us, to_us
from nexus_sdk.authoring.ids import check_instance_id
from nexus_sdk.authoring.names import check_name
from nexus_sdk.authoring.registry import Registry, near
from nexus_sdk.authoring.workflow import BoundCall, Workflow
from nexus_sdk.client.attributes import Attributes, check_attributes
from nexus_sdk.client.handle import Handle
from nexus_sdk.client.status import Page, status_of
from nexus_sdk.core.events import WorkflowCreated
from nexus_sdk.core.operations.child import ChildOperation
from nexus_sdk.core.payload import Codec, Payload
from nexus_sdk.core.shown import shown
from nexus_sdk.core.status import Status
from nexus_sdk.engine.apart import Moving, read_batches, read_record
from nexus_sdk.engine.birth import Start, new_instance, start_digest
from nexus_sdk.engine.environment import Environment
from nexus_sdk.engine.instance import Surroundings
from nexus_sdk.errors import DefinitionError, InstanceExists, InstanceNotFound, InvalidArgument, SignatureMismatch
from nexus_sdk.store.port import InstanceRecord, Query, Store

R = TypeVar("R")
Ts = TypeVarTuple("Ts")
OnConflict = Literal["raise", "attach"]


class StartOptions(TypedDict, total=False):
    """What may be said about a start beside the workflow and its arguments. See `Client.start`."""

    id: str | None
    delay: Duration | datetime | None
    attributes: Attributes | None
    request_id: str | None


class Client:
    """What an application asks the store through."""

    def __init__(self, store: Store, registry: Registry, codec: Codec, environment: Environment) -> None:
        self.store = store
        self.registry = registry
        self.codec = codec
        self.environment = environment
        self.surroundings: Surroundings = Surroundings(registry, codec, environment, "", "")

    # A workflow is known here by what its call takes and gives, so that its arguments are checked.
    @overload
    async def start(
        self,
        workflow: Callable[[*Ts], ChildOperation[R]],
        *args: *Ts,
        on_conflict: OnConflict = ...,
        **options: Unpack[StartOptions],
    ) -> Handle[R]: ...
    @overload
    async def start(
        self,
        workflow: ChildOperation[R] | BoundCall[R],
        *,
        on_conflict: OnConflict = ...,
        **options: Unpack[StartOptions],
    ) -> Handle[R]: ...
    @overload
    async def start(
        self, workflow: str, *args: Any, on_conflict: OnConflict = ..., **options: Unpack[StartOptions]
    ) -> Handle[Any]: ...
    async def start(
        self,
        workflow: Any,
        *args: object,
        id: str | None = None,
        on_conflict: OnConflict = "raise",
        delay: Duration | datetime | None = None,
        attributes: Attributes | None = None,
        request_id: str | None = None,
        **unknown: Any,
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
            InstanceExists: the id is taken; with ``attach`` or the same `request_id`: by a start with other arguments.
            SignatureMismatch: the arguments do not fit the signature.
            DefinitionError: this app has no such workflow.
            InvalidArgument: an id, a delay or another option is not acceptable.
            PayloadError: an argument is not of the annotated type, or cannot be encoded.
        """
        if unknown:
            raise SignatureMismatch(
                f"start() has no option {next(iter(unknown))!r}.",
                hint="Its keyword arguments are options; the workflow's go with a call of it: fulfil(order=order).",
            )
        if on_conflict not in ("raise", "attach"):
            raise InvalidArgument(
                f"on_conflict is 'raise' or 'attach', got {shown(on_conflict)}.",
                hint="'attach' gives the instance that has the id, if it was started with the same arguments.",
            )
        definition, arguments = self._bound(workflow, args)
        own = self.environment.randomness.token
        request = check_name(request_id, "a request id") if request_id is not None else own()
        # Without an id the request makes one: the same request, the same instance.
        instance_id = check_instance_id(id) if id is not None else uuid5(NAMESPACE_URL, request).hex
        now_us = self.environment.clock.now_us()
        checked = definition.signature.check(arguments, self.codec)
        start = Start(
            instance_id,
            definition.name,
            definition.version,
            self.codec.bound_to(instance_id).encode(checked),
            request_id=request,
            timeout_us=definition.timeout_us,
            start_at_us=_start_at_us(delay, now_us),
            attributes=check_attributes({} if attributes is None else attributes),
        )
        try:
            record = await self._create(start, now_us)
        except InstanceExists:
            if on_conflict == "raise":
                raise
            record = await self.store.find(instance_id)
        await self._check_same_start(record, start)
        return Handle(self, instance_id, definition.result_type, started=record)

    async def _create(self, start: Start, now_us: int) -> InstanceRecord:
        """Make it durable, with what of it lies apart. Raises `InstanceExists`."""
        token = self.environment.randomness.token
        moving = Moving(self.store.capabilities.payload_bytes_max)
        new = moving.instance(new_instance(start, run_id=token(), turn_id=token(), now_us=now_us))
        if moving.is_needed:
            await moving.put(self.store, now_us=now_us)
        record = await self.store.create(new, now_us=now_us)
        if moving.is_needed:  # again: if another instance of this id was purged in between, they went with it
            await moving.put(self.store, now_us=now_us)
        return record

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
        """A page of instances, newest first. What is not given does not restrict.

        Args:
            status: one status or several.
            workflow: the name of a workflow.
            attributes: all of these must be equal.
            created_after: an aware datetime; created then or later.
            limit: from 1 to 1,000 on a page.
            cursor: the `cursor` of the page before.
        """
        if type(limit) is not int or not 1 <= limit <= 1_000:
            raise InvalidArgument(
                f"list: limit is from 1 to 1000, got {shown(limit)}.",
                hint="For more, ask again with the page's cursor.",
            )
        if cursor is not None and not isinstance(cursor, str):
            raise InvalidArgument(
                f"list: a cursor is a text, got {shown(cursor)}.",
                hint="Pass the cursor of the last page as it is, or none.",
            )
        query = _query(status, workflow, attributes, created_after)
        page = await self.store.list(query, limit=limit, cursor=cursor)
        records = [await read_record(self.store, record) for record in page.records]
        return Page([status_of(record, self.codec) for record in records], page.cursor)

    async def count(
        self,
        status: Status | str | Iterable[Status | str] | None = None,
        workflow: str | None = None,
        attributes: Attributes | None = None,
        created_after: datetime | None = None,
    ) -> int:
        """How many instances match; `status`, `workflow`, `attributes` and `created_after` as for `list`."""
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
                f"start takes what @workflow made, or a call of it, got {shown(workflow)}.",
                hint="client.start(fulfil, order) or client.start(fulfil(order=order)).",
            )
        definition = self._served(workflow)
        return definition, definition.signature.bind(args, {})

    def _served(self, workflow: Workflow[Any, Any]) -> Workflow[Any, Any]:
        if self.registry.workflow(workflow.name, workflow.version) is None:
            raise DefinitionError(
                f"this app does not serve workflow {workflow.name!r} version {workflow.version!r}.",
                hint="Name it in Nexus(…, workflows=[…]).",
            )
        return workflow

    async def _check_same_start(self, found: InstanceRecord, asked: Start) -> None:
        if found.start_digest == start_digest(asked.workflow, asked.arguments):
            return
        is_other = found.workflow != asked.workflow
        if is_other or not await self._has_same_arguments(found, asked.arguments):
            by_request = found.request_id == asked.request_id
            raise InstanceExists(
                f"{found.id} exists and was started otherwise (workflow {found.workflow!r}, "
                f"{'another workflow' if is_other else 'other arguments'})"
                f"{f' by the same request, {shown(found.request_id)}' if by_request else ''}.",
                hint=f"Choose another {'request id' if by_request else 'id'}, or the arguments it was started with.",
            )

    async def _has_same_arguments(self, found: InstanceRecord, asked: Payload) -> bool:
        """Whether arguments whose bytes differ are equal: other keys and other links of the codec give other bytes."""
        is_plain = asked.key_id is None and "+" not in asked.encoding
        if is_plain and found.encoding in ("", asked.encoding):
            return False
        run_id: str | None = found.run_id
        created: WorkflowCreated | None = None
        while run_id is not None:
            loaded = await self.store.load(found.id, run_id=run_id)
            (first,) = await read_batches(self.store, found.id, loaded.batches[:1], every=True)
            event = first.events[0]
            assert isinstance(event, WorkflowCreated)
            created, run_id = event, event.previous_run_id
        assert created is not None
        codec = self.codec.bound_to(found.id)
        return bool(codec.decode(created.arguments) == codec.decode(asked))


def _start_at_us(delay: Duration | datetime | None, now_us: int) -> int | None:
    if delay is None:
        return None
    if isinstance(delay, datetime):
        return moment_us(delay, "delay")
    return now_us + to_us(delay, "delay")


def _statuses(status: Any) -> frozenset[Status]:
    if status is None:
        return frozenset()
    wanted = list(status) if isinstance(status, Iterable) and not isinstance(status, str) else [status]
    wrong = [one for one in wanted if one not in list(Status)]
    if wrong:
        hint = near(wrong[0], map(str, Status)) if isinstance(wrong[0], str) else "Name one, or a list of them."
        raise InvalidArgument(f"a status is one of {', '.join(Status)}; got {shown(wrong[0])}.", hint=hint)
    return frozenset(map(Status, wanted))


def _query(status: Any, workflow: str | None, attributes: Attributes | None, created_after: datetime | None) -> Query:
    if workflow is not None:
        check_name(workflow, "a workflow's name")
    query = Query(_statuses(status), workflow, check_attributes({} if attributes is None else attributes))
    if created_after is not None:
        query = replace(query, created_after_us=moment_us(created_after, "created_after"))
    return query
