"""An instance that is watched while it runs: what the live line says of it, and its trace.

On a terminal the trace is the picture, redrawn as time goes; on a pipe a line per event, as it happens.
"""

from __future__ import annotations

import asyncio
import sys
import time

from nexus_sdk.app import Nexus
from nexus_sdk.cli import output
from nexus_sdk.cli.picture import Canvas, Line, drawn, newest
from nexus_sdk.cli.spans import Outcome, SpanReader
from nexus_sdk.cli.timeline import RowReader, RowText, unserved
from nexus_sdk.client.status import status_of
from nexus_sdk.codec import wire
from nexus_sdk.core.history import Batch
from nexus_sdk.core.payload import Codec
from nexus_sdk.errors import NexusError
from nexus_sdk.store.port import InstanceRecord

STALL_SECONDS = 3.0
"""After so long without a step it is asked whether an activity is missing."""

BREATH_SECONDS = 0.1
"""It is looked at not more often than this."""


class Trace:
    """The history of the present run as far as it was read, drawn or told as it grows."""

    def __init__(self) -> None:
        self._is_drawn = output.is_terminal(sys.stderr)
        self._begin("", None)

    def _begin(self, run_id: str, codec: Codec | None) -> None:
        self.run_id = run_id
        self.last = 0
        self._spans = SpanReader()
        self._rows = RowReader(codec)
        self._text = RowText()

    async def read_on(self, app: Nexus, record: InstanceRecord) -> None:
        """Read what was appended since; from the start where it is another run."""
        if record.run_id != self.run_id:
            self._begin(record.run_id, app.codec.bound_to(record.id))
        loaded = await app.store.load(record.id, run_id=record.run_id, after=self.last)
        for stored in loaded.batches:
            self._take(wire.decode_batch(stored.data))
            self.last = stored.number

    def _take(self, batch: Batch) -> None:
        self._spans.read(batch)
        for row in self._rows.read(batch):
            if not self._is_drawn:
                for line in self._text.lines(row, is_wide=True):
                    output.say(*line)

    def lines(self, width: int, lines_max: int | None = None) -> list[Line]:
        """The picture as of now."""
        canvas = Canvas(width, output.can_draw(sys.stderr), is_cut=self._is_drawn)
        now_us = round(time.time() * 1_000_000)
        lines = drawn(self._spans.spans, canvas, now_us=now_us)
        return lines if lines_max is None else newest(lines, lines_max)

    def progress(self) -> str:
        """How many operations are done, and how many under way."""
        asked = [span for span in self._spans.spans if span.path]
        open_now = sum(1 for span in asked if span.outcome is Outcome.OPEN)
        return f"{len(asked) - open_now} of {len(asked)} done" if asked else ""

    def put(self) -> None:
        """Say the picture as it is at the end."""
        for line in self.lines(output.canvas_width(sys.stderr)):
            output.say(*line)


class Watched:
    """What the live line shows of an instance, kept up to date by `follow`."""

    def __init__(self, app: Nexus, instance_id: str, trace: Trace | None = None) -> None:
        self._app = app
        self._id = instance_id
        self._text = instance_id
        self._is_stopping = False
        self.trace = trace

    def stop(self) -> None:
        """Say that it stops: on the live line, or where there is none in a line of its own."""
        self._is_stopping = True
        if not output.is_terminal(sys.stderr):
            output.say("Stopping when the activities that run have ended; the same signal again exits at once.")

    def line(self) -> str:
        """The live line."""
        progress = self.trace.progress() if self.trace is not None else ""
        parts = [self._text, progress, "stopping" if self._is_stopping else ""]
        return " · ".join(part for part in parts if part)

    async def follow(self) -> None:
        """Keep the text up to date, and say once if nothing moves because an activity is served nowhere here."""
        store, has_told = self._app.store, False
        while True:
            record = await store.find(self._id)
            status = status_of(record, self._app.codec)
            custom = "" if status.custom_status is None else output.sentence(output.plain(status.custom_status))
            self._text = f"{self._id} · {custom or status.status}"
            if self.trace is not None:
                await self.trace.read_on(self._app, record)
            if record.status.is_finished:
                return
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await store.watch(self._id, run_id=record.run_id, after=record.last_batch)
            except TimeoutError:
                has_told = has_told or await self._tell_missing()
            await asyncio.sleep(BREATH_SECONDS)

    async def finish(self) -> None:
        """Read and show the end of the trace, if it is traced and if there is anything to be read."""
        if self.trace is None:
            return
        try:
            await self.trace.read_on(self._app, await self._app.store.find(self._id))
        except NexusError:
            return
        self.trace.put()

    async def _tell_missing(self) -> bool:
        batches = (await self._app.client().get(self._id).history()).batches
        missing = unserved(batches, self._app.registry.activities)
        if missing:
            names = " and ".join(map(repr, missing))
            output.say(f"It waits for {names}, which is not served here: import it in the module, or run a worker.")
        return bool(missing)
