"""Verifying what a store holds of an instance: all its runs, every payload, its inbox, and its record against them.

It needs no code of workflows and no keys, writes nothing, and may be done while workers are at work. The one rule: what
is damaged is told, and never stops the rest.

What vouches for what: each batch for the one before it, by its hash; the record for the last batch; the first batch of
a run for the last one of the run before; digests in the batches for the bytes of payloads, wherever they lie. Of the
record, whatever the histories say is compared. Nothing vouches for what is in no history: attributes, priority, build,
root, request id, trace, and the time of the last change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, pairwise

from nexus_sdk.codec import wire
from nexus_sdk.codec.integrity import ALTERED, check_batch, check_encoded
from nexus_sdk.core.history import EVENT_BYTES, Batch
from nexus_sdk.errors import HistoryCorruptedError, InstanceNotFound, SchemaOutdated, StoreUnavailable
from nexus_sdk.replay.laws import ExaminedRun, breaches_of
from nexus_sdk.store.port import InstanceRecord, Loaded, Query, Store, StoredBatch

FETCHED_MAX = 16
"""So many large payloads are fetched at a time."""

PAGE = 100
EVER_US = 1 << 60
"""Later than any instance was created."""


@dataclass(frozen=True, slots=True)
class Damage:
    """Something is not what was written, or cannot have been.

    Attributes:
        what: in words.
        advice: what to do about it.
        run: the display number of the run it is in, None where it is in none or in several.
        run_id: of that run, or empty.
        batch: the number of the batch, None where it is no batch.
    """

    what: str
    advice: str = ALTERED
    run: int | None = None
    run_id: str = ""
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and found.

    Attributes:
        runs, batches, events, bytes: how much there is; bytes are counted as `HistorySize` does.
        erased: payloads whose bytes are nil. That is how a payload is erased, and no damage: its digest is still there.
        damages: what is wrong, the newest run first. Empty: all is as it was written.
    """

    instance_id: str
    runs: int
    batches: int
    events: int
    bytes: int
    erased: int
    damages: tuple[Damage, ...]


async def verify_instance(store: Store, instance_id: str) -> Verified:
    """Verify one instance.

    Raises:
        InstanceNotFound: no such instance, or it was purged meanwhile.
        StoreUnavailable, SchemaOutdated: nothing can be said now.
    """
    verification = _Verification(store, instance_id)
    try:
        await verification.take_all()
    except (InstanceNotFound, StoreUnavailable, SchemaOutdated):
        raise
    except Exception as error:  # a damaged store fails in too many ways to list, and others are to be looked at yet
        verification.damages.append(_unreadable(error))
    return verification.result()


async def instances_of(store: Store) -> AsyncIterator[str | Damage]:
    """The ids of all instances, the newest first; a damage for each moment whose instances cannot be listed.

    Raises:
        StoreError: nothing can be listed.
    """
    windows = [(0, EVER_US)]
    told: frozenset[str] = frozenset()
    while windows:
        after_us, before_us = windows.pop()
        query = Query(created_after_us=after_us, created_before_us=before_us)
        end_us, error = before_us, None
        async for page in _pages(store, query):
            if isinstance(page, HistoryCorruptedError):
                error = page
                continue
            for record in page:
                if record.id not in told:
                    yield record.id
                end_us = record.created_us + 1
            told = frozenset(record.id for record in page)
        if error is None:
            continue
        # A page is read as a whole: what stands on one that cannot be is looked for in ever shorter times.
        if end_us < before_us:
            windows.append((after_us, end_us))
            continue
        number, middle_us = await store.count(query), (after_us + before_us) // 2
        if number and after_us < middle_us:
            windows += [(after_us, middle_us), (middle_us, before_us)]
        elif number:
            yield Damage(f"{_instances(number)} cannot be listed: {_without_dot(error)}", error.hint)


async def _pages(store: Store, query: Query) -> AsyncIterator[Sequence[InstanceRecord] | HistoryCorruptedError]:
    """The pages of what matches; at last, what keeps the next one from being read."""
    cursor: str | None = None
    while True:
        try:
            page = await store.list(query, limit=PAGE, cursor=cursor)
        except HistoryCorruptedError as error:
            yield error
            return
        yield page.records
        cursor = page.cursor
        if cursor is None:
            return


def _instances(number: int) -> str:
    return "an instance" if number == 1 else f"{number} instances"


class _Verification:
    """The verification of one instance, as far as it has come."""

    def __init__(self, store: Store, instance_id: str) -> None:
        self.damages: list[Damage] = []
        self._store = store
        self._id = instance_id
        self._runs: list[ExaminedRun] = []  # the oldest first
        self._erased = 0

    def result(self) -> Verified:
        """What has come of it."""
        runs = self._runs
        events = sum(run.events for run in runs)
        size = sum(run.value_bytes for run in runs) + EVENT_BYTES * events
        batches = sum(run.batches for run in runs)
        return Verified(self._id, len(runs), batches, events, size, self._erased, tuple(self.damages))

    async def take_all(self) -> None:
        """Look at everything."""
        loaded = await self._store.load(self._id)
        record = loaded.record
        await self._take_runs(loaded)
        is_whole = not self.damages
        await self._take_record(record)
        await self._take_inbox(loaded)
        if is_whole:  # the laws are about what was written
            self.damages += [Damage(_law_in_words(said)) for said in breaches_of(record, self._runs)]

    # --- histories --------------------------------------------------------------------------------------------------

    async def _take_runs(self, loaded: Loaded) -> None:
        number, run_id = loaded.record.run, loaded.record.run_id
        seen: set[str] = set()
        while True:
            seen.add(run_id)
            run = await self._take_run(loaded, number, run_id)
            self._runs.insert(0, run)
            previous_id = None if run.created is None else run.created.previous_run_id
            if previous_id is None:
                return
            if previous_id in seen:
                self._tell("the runs go round in a circle", number, run_id)
                return
            number, run_id = number - 1, previous_id
            loaded = await self._store.load(self._id, run_id=previous_id)

    async def _take_run(self, loaded: Loaded, number: int, run_id: str) -> ExaminedRun:
        """A run, up to where it is damaged. What comes behind that is not looked at: nothing vouches for it."""
        run = ExaminedRun(run_id)
        before: Batch | None = None
        apart: dict[bytes, int] = {}
        for stored in loaded.batches:
            try:
                before, digests = self._read(stored, run_id, before)
            except HistoryCorruptedError as error:
                self.damages.append(Damage(_without_dot(error), error.hint, number, run_id, stored.number))
                return run
            run.take(before)
            apart |= {digest: stored.number for digest in digests if digest not in apart}
        self._take_end(loaded.record, run, number)
        for digest, what in (await self._missing(apart)).items():
            self._tell(what, number, run_id, apart[digest])
        return run

    def _take_end(self, record: InstanceRecord, run: ExaminedRun, number: int) -> None:
        """What the record says of the last batch of the present run."""
        if run.last is None:
            self._tell("none of its batches is there", number, run.run_id)
            return
        if run.run_id != record.run_id:
            return
        last = run.last.number
        if last != record.last_batch:
            said = f"the record says that {record.last_batch} were written, this is the last"
            self._tell(said, number, run.run_id, last)
        elif run.last_hash != record.last_hash:
            self._tell("the hash is not the one that the record has", number, run.run_id, last)

    def _read(self, stored: StoredBatch, run_id: str, before: Batch | None) -> tuple[Batch, Sequence[bytes]]:
        batch = wire.decode_batch(stored.data)
        bodies = check_batch(stored.data)
        header = batch.header
        reason = wire.misfit_of(batch, before)
        if (header.instance_id, header.run_id) != (self._id, run_id):
            reason = f"it was written for {header.instance_id!r}, run {header.run_id}"
        elif (header.number, header.turn_id) != (stored.number, stored.turn_id) or stored.run_id != run_id:
            reason = f"it lies in the place of another one: it is batch {header.number}, of turn {header.turn_id}"
        if reason:
            raise HistoryCorruptedError(f"{reason}.", hint=ALTERED)
        self._erased += bodies.erased
        return batch, bodies.apart

    # --- what is beside them ----------------------------------------------------------------------------------------

    async def _take_record(self, record: InstanceRecord) -> None:
        for name, data in (("custom status", record.custom_status), ("failure", record.failure)):
            if data is not None:
                await self._take_encoded(data, f"the record's {name}")

    async def _take_inbox(self, loaded: Loaded) -> None:
        messages = loaded.messages
        for earlier, later in pairwise(messages):
            if later.number <= earlier.number or later.accepted_at_us < earlier.accepted_at_us:
                self._tell(f"inbox message {later.number} stands behind {earlier.number}, and was accepted before it")
        if len({message.id for message in messages}) != len(messages):
            self._tell("a message is in the inbox twice")
        for message in messages:
            where = f"inbox message {message.number} ({message.id})"
            if message.instance_id != self._id:
                self._tell(f"{where} is for {message.instance_id!r}")
            if await self._take_encoded(message.body, where):
                try:
                    wire.decode_message(message.body, id=message.id, accepted_at_us=0, number=0)
                except HistoryCorruptedError as error:
                    self._tell(f"{where}: {_without_dot(error)}", advice=error.hint)

    async def _take_encoded(self, data: bytes, where: str) -> bool:
        """Whether the bytes hold together. The payloads that lie apart are looked at, too."""
        try:
            bodies = check_encoded(data)
        except HistoryCorruptedError as error:
            self._tell(f"{where}: {_without_dot(error)}", advice=error.hint)
            return False
        self._erased += bodies.erased
        for what in (await self._missing(dict.fromkeys(bodies.apart, 0))).values():
            self._tell(f"{where}: {what}")
        return True

    async def _missing(self, apart: Mapping[bytes, int]) -> dict[bytes, str]:
        """Of the payloads that lie apart, what is wrong with them, by their digests."""
        wrong: dict[bytes, str] = {}
        left = iter(apart)
        while digests := list(islice(left, FETCHED_MAX)):
            blobs = await self._store.get_blobs(self._id, digests)
            for digest in digests:
                data = blobs.get(digest)
                if data is None:
                    wrong[digest] = f"the large payload {digest.hex()} is missing"
                elif sha256(data).digest() != digest:
                    wrong[digest] = f"the {len(data):,} bytes of the large payload {digest.hex()} do not fit it"
        return wrong

    def _tell(
        self,
        what: str,
        run: int | None = None,
        run_id: str = "",
        batch: int | None = None,
        *,
        advice: str = ALTERED,
    ) -> None:
        self.damages.append(Damage(what, advice, run, run_id, batch))


def _unreadable(error: Exception) -> Damage:
    if isinstance(error, HistoryCorruptedError):
        return Damage(_without_dot(error), error.hint or ALTERED)
    said = "".join(letter if letter.isprintable() else " " for letter in str(error))
    return Damage(f"it cannot be read ({type(error).__name__}: {' '.join(said.split()):.200})")


def _without_dot(error: HistoryCorruptedError) -> str:
    return error.message.removesuffix(".")


def _law_in_words(said: str) -> str:
    """A breach without whose it is: that stands before it anyway."""
    law, _, text = said.partition(", ")
    return f"{law}: {text.partition(': ')[2]}"
