"""The clients of a simulated world: they start, tell, ask and watch instances, die of it, and ask again.

A client that dies asks the same again in its next life: by the same request id, by the same event id. So it does when
the store was unavailable.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from nexus_sdk.client.client import Client
from nexus_sdk.core.status import Status
from nexus_sdk.errors import (
    BlockingError,
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
    NexusError,
    PayloadError,
    StoreError,
    StoreUnavailable,
    UnknownQuery,
    WorkflowEnded,
    WrongStatus,
)
from nexus_sdk.store.port import Query
from nexus_sdk.testing.laws import LawBroken
from nexus_sdk.testing.simulation.clocks import SkewedClock
from nexus_sdk.testing.simulation.definitions import FINAL, registry_of
from nexus_sdk.testing.simulation.plan import Act
from nexus_sdk.testing.simulation.process import Process
from nexus_sdk.testing.simulation.programs import Node, Unsure, expected
from nexus_sdk.testing.simulation.scene import Scene

TRIES_MAX = 200
"""So often a client asks again."""

REFUSALS = (InstanceExists, InstanceFinished, InstanceNotFound, WrongStatus, StoreError, UnknownQuery)
"""What clients are told in the ordinary course of things."""

UNREADABLE = (BlockingError, PayloadError)
"""What they are told of instances that were damaged, or that broken code has moved on."""

REWOUND_SHARE = 0.4
"""Of what fails, so much is rewound soon after."""

ENDED_SHARE = 0.2
"""Of what is blocked, so much is terminated soon after."""

Call = Callable[[Client], Awaitable[Any]]


class Life:
    """One process of a client, from its beginning to its death. `has_ended`: done when it dies."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.has_ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        clock = SkewedClock(scene.true)
        process = Process(name, scene.plan.seed, scene.outside, clock, lambda _: self.has_ended.set_result(None))
        environment = scene.environment(name, clock)
        self.client = Client(scene.store_of(process), registry_of(FINAL), scene.codec, environment)


class Clients:
    """See the module."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._started: dict[str, int] = {}
        self._tidiness = Random(f"{scene.plan.seed}/tidiness")
        self._tidied = 0
        self._given_up: set[str] = set()
        self._patience = Random(f"{scene.plan.seed}/patience")
        self._watching: dict[str, str] = {}
        self._lives: Counter[str] = Counter()
        scene.on_change += [self._may_tidy_up, self._may_rewind, self._may_end]

    async def act(self, index: int, act: Act) -> None:
        """Something that a client does."""
        plan = self._scene.plan
        program = plan.programs[act.number] if act.number < len(plan.programs) else None
        if program is None:
            return
        who, id = f"c{index}", plan.ids[act.number]
        times = 2 if act.is_repeated else 1
        match act.what:
            case "start":
                await self._start(who, id, index, act, program)
            case "event":
                event_id = f"e{index}"
                for _ in range(times):
                    if await self._does(who, lambda client: _send_event(client, id, act, event_id)):
                        self._scene.promised[id].append(event_id)
            case "ask":
                await self._does(who, lambda client: client.get(id).history())
                await self._does(who, lambda client: client.get(id).status())
                await self._does(who, lambda client: client.list())
                await self._does(who, lambda client: client.count())
            case "query":
                await self._does(who, lambda client: self._query(client, id, program))
                await self._does(who, lambda client: client.get(id).query("nothing of the kind"))
            case "watch":
                self._scene.spawn(self._watch(who, id))  # it may never end, and nobody waits for it
            case "cancel" | "terminate" | "suspend" | "resume" | "rewind" | "purge":
                await self._does(who, lambda client: getattr(client.get(id), act.what)())
            case what:
                raise LookupError(what)

    async def tell_all(self, who: str, what: str, is_meant: Callable[[Status], bool]) -> None:
        """The same to all instances of some statuses."""
        for seen in list(self._scene.witness.instances):
            record = seen.item.record
            if not seen.is_purged and is_meant(record.status):
                await self._does(who, lambda client, id=record.id: getattr(client.get(id), what)())  # type: ignore[misc]

    async def results(self) -> list[tuple[str, Any, Any]]:
        """Of each instance that was started from outside and completed, what it returned and what its program says."""
        scene = self._scene
        client = Life(scene, "results").client
        found = []
        for id, number in self._started.items():
            seen = scene.witness.find(id)
            if seen is None or not seen.item.record.status.is_finished or seen.damaged:
                continue
            program = scene.plan.programs[number]
            assert program is not None
            try:
                result = await client.get(id).result()
                if sum(one.item.record.id == id for one in scene.witness.instances) == 1:
                    # Otherwise the ids of its children may be taken by those of the one that was purged.
                    found.append((id, result, expected(program)))
            except WorkflowEnded as end:
                scene.coverage.codes[end.code] += 1
            except Unsure:
                continue
        return found

    def breaches(self) -> list[str]:
        """Who still waits for an end that has come."""
        return [
            f"law 7: {who} was not told that {id} has ended"
            for who, id in self._watching.items()
            if (seen := self._scene.witness.find(id)) is not None and seen.item.record.status.is_finished
        ]

    async def breaches_of_lists(self) -> list[str]:
        """Law 5, at rest: the indexes say what the records say."""
        store = self._scene.shared
        records = [seen.item.record for seen in self._scene.witness.instances if not seen.is_purged]
        listed = (await store.list(Query(), limit=10_000)).records
        said = []
        if sorted(record.id for record in listed) != sorted(record.id for record in records):
            said.append(f"law 5: {[record.id for record in listed]} are listed, {[r.id for r in records]} are there")
        for status in sorted({record.status for record in records}):
            wanted = sum(record.status is status for record in records)
            if (found := await store.count(Query(statuses=frozenset({status})))) != wanted:
                said.append(f"law 5: {found} instances are counted as {status}, {wanted} are")
        return said

    # --- what they do -------------------------------------------------------------------------------------------------

    async def _start(self, who: str, id: str, index: int, act: Act, program: Node) -> None:
        workflow = registry_of(FINAL).workflow(self._scene.plan.shapes[act.number], "1")
        assert workflow is not None
        for turn in range(2 if act.is_repeated else 1):
            await self._scene.time.sleep(act.repeated_after_seconds if turn else 0.0)
            await self._does(
                who,
                lambda client: client.start(
                    workflow, program, id=id, request_id=f"{id}/{index}", delay=act.value or None
                ),
            )
        self._started.setdefault(id, act.number)

    async def _query(self, client: Client, id: str, program: Node) -> None:
        """An answer that the program can give."""
        round = await client.get(id).query("round")
        if not 1 <= round <= program["rounds"]:
            raise LawBroken(f"{id}: asked for its round, it said {round} of {program['rounds']}")

    async def _watch(self, who: str, id: str) -> None:
        """Wait for the end, however long it takes; it must be one that is recorded."""
        self._watching[who] = id
        await self._does(who, self._ended(id))
        del self._watching[who]

    def _ended(self, id: str) -> Call:
        async def wait(client: Client) -> None:
            ended = "completed"
            try:
                await client.get(id).result()
            except WorkflowEnded as end:
                ended = type(end).__name__.removeprefix("Workflow").lower()
                self._scene.coverage.codes[end.code] += 1
            ends = [run.end for one in self._scene.witness.instances if one.item.record.id == id for run in one.ordered]
            if not any(type(end).__name__.removeprefix("Workflow").lower() == ended for end in ends):
                raise LawBroken(f"{id}: a client was told that it has {ended}; its histories say {ends}")

        return wait

    # --- how they do it -----------------------------------------------------------------------------------------------

    async def _does(self, who: str, call: Call) -> bool:
        """Do it, again in the next life where one ends; whether it was not refused."""
        scene = self._scene
        life = self._begin_life(who)
        for _ in range(TRIES_MAX):
            doing = asyncio.ensure_future(call(life.client))
            doing.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to ask
            try:
                await asyncio.wait({doing, life.has_ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not doing.done():
                    doing.cancel()
            if life.has_ended.done():
                await asyncio.gather(doing, return_exceptions=True)
                await scene.time.sleep(scene.chance.uniform(0, 3))
                life = self._begin_life(who)
                continue
            try:
                await doing
            except StoreUnavailable as error:
                scene.coverage.codes[error.code] += 1
                await scene.time.sleep(0.5)
            except NexusError as error:
                scene.coverage.codes[error.code] += 1
                is_told = scene.witness.has_damage or scene.plan.has_broken_build
                if not isinstance(error, (*REFUSALS, *UNREADABLE) if is_told else REFUSALS):
                    raise
                return False
            else:
                return True
        return False

    def _begin_life(self, who: str) -> Life:
        """Each has a chance of its own: two that drew the same ids would be one."""
        self._lives[who] += 1
        return Life(self._scene, f"{who}.{self._lives[who]}")

    # --- tidying up ---------------------------------------------------------------------------------------------------

    def _may_tidy_up(self, id: str) -> None:
        """What has finished is purged, maybe, and maybe at once."""
        scene = self._scene
        seen, tidy = scene.witness.find(id), scene.plan.rates.tidy
        if seen is None or not seen.item.record.status.is_finished or scene.outside.is_calm or not tidy:
            return
        if self._tidiness.random() < tidy:
            scene.spawn(self._tidy_up(id, self._tidiness.random() ** 4 * 5))

    def _may_rewind(self, id: str) -> None:
        """What has failed is tried again, maybe."""
        scene = self._scene
        seen = scene.witness.find(id)
        record = seen.item.record if seen is not None else None
        if record is None or record.status is not Status.FAILED or record.parent is not None:
            return  # a child's parent has been told already
        if not scene.outside.is_calm and self._tidiness.random() < REWOUND_SHARE:
            scene.spawn(self._rewind(id, self._tidiness.uniform(0, 5)))

    async def _rewind(self, id: str, seconds: float) -> None:
        await self._scene.time.sleep(seconds)
        self._scene.coverage.acts["rewind"] += 1
        await self._does("r", lambda client: client.get(id).rewind())

    def _may_end(self, id: str) -> None:
        """What is blocked is given up, maybe, and not mended."""
        scene = self._scene
        seen = scene.witness.find(id)
        if seen is None or seen.item.record.status is not Status.BLOCKED or scene.outside.is_calm:
            return
        if self._patience.random() < ENDED_SHARE and seen.item.record.run_id not in self._given_up:
            self._given_up.add(seen.item.record.run_id)  # once: what is damaged cannot hear of it
            scene.spawn(self._end(id, self._patience.uniform(0, 5)))

    async def _end(self, id: str, seconds: float) -> None:
        await self._scene.time.sleep(seconds)
        self._scene.coverage.acts["terminate"] += 1
        await self._does("x", lambda client: client.get(id).terminate())

    async def _tidy_up(self, id: str, seconds: float) -> None:
        await self._scene.time.sleep(seconds)
        self._scene.coverage.acts["tidy"] += 1
        self._tidied += 1
        await self._does(f"t{self._tidied}", lambda client: client.get(id).purge())


async def _send_event(client: Client, id: str, act: Act, event_id: str) -> None:
    await client.get(id).send_event(act.name, int(act.value), event_id=event_id)
