"""`nexus doctor --history` and `--all`: what is stored, held against itself, and told a line per damaged instance."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from nexus_sdk.cli import output
from nexus_sdk.client.client import Client
from nexus_sdk.errors import InstanceNotFound
from nexus_sdk.replay.verify import Damage, Verified, instances_of, verify_instance
from nexus_sdk.store.port import Store


@dataclass(slots=True)
class Report:
    """What was verified so far, and which instances are damaged: the ids with what is wrong; empty ids where it is not
    even known whose it is."""

    instances: int = 0
    runs: int = 0
    batches: int = 0
    events: int = 0
    bytes: int = 0
    erased: int = 0
    seconds: float = 0.0
    damaged: list[tuple[str, tuple[Damage, ...]]] = field(default_factory=list)

    def add(self, verified: Verified) -> None:
        """Count one more."""
        self.instances += 1
        self.runs += verified.runs
        self.batches += verified.batches
        self.events += verified.events
        self.bytes += verified.bytes
        self.erased += verified.erased
        if verified.damages:
            self.damaged.append((verified.instance_id, verified.damages))

    def as_json(self) -> dict[str, Any]:
        """As data."""
        counts = ("instances", "runs", "batches", "events", "bytes", "erased")
        return {
            "ok": not self.damaged,
            **{name: getattr(self, name) for name in counts},
            "seconds": round(self.seconds, 3),
            "damaged": [
                {"id": id or None, "damages": [_damage_to_json(damage) for damage in damages]}
                for id, damages in self.damaged
            ],
        }

    def summary(self) -> str:
        """In a line or two."""
        seconds = max(self.seconds, 0.001)
        said = (
            f"{_count(self.instances, 'instance')}, {_count(self.runs, 'history', 'histories')}, "
            f"{_count(self.events, 'event')}, {self.bytes / 1e6:.1f} MB verified in {self.seconds:.1f} s "
            f"({self.runs / seconds:,.0f} histories/s, {self.events / seconds:,.0f} events/s)."
        )
        if self.erased:
            said += f" {_count(self.erased, 'payload')} {'was' if self.erased == 1 else 'were'} erased."
        if not self.damaged:
            return f"{said} All is as it was written."
        return f"{said} {len(self.damaged):,} {'is' if len(self.damaged) == 1 else 'are'} damaged."


async def verify(client: Client, id: str | None, *, is_told: bool) -> Report:
    """Verify one instance, or all.

    Args:
        is_told: damage is printed when it is found.

    Raises:
        InstanceNotFound: there is no such instance.
    """
    report, began = Report(), time.perf_counter()
    async for verified in _each(client.store, id):
        if isinstance(verified, Damage):
            report.damaged.append(("", (verified,)))
        else:
            report.add(verified)
        if is_told and report.damaged and (isinstance(verified, Damage) or verified.damages):
            _put(*report.damaged[-1])
    report.seconds = time.perf_counter() - began
    return report


async def _each(store: Store, id: str | None) -> AsyncIterator[Verified | Damage]:
    if id is not None:
        yield await verify_instance(store, id)
        return
    async for one in instances_of(store):
        if isinstance(one, Damage):
            yield one
            continue
        try:
            yield await verify_instance(store, one)
        except InstanceNotFound:
            continue  # purged since it was listed


# --- for people -------------------------------------------------------------------------------------------------------


def _put(id: str, damages: tuple[Damage, ...]) -> None:
    first, *others = damages
    more = f" (and {len(others):,} more)" if others else ""
    text = f"{_place(first)}{first.what}{more}."
    output.put_hanging([("damaged  ", "bold red"), (f"{id or '?'}  ", "bold")], f"{text} {first.advice}")


def _place(damage: Damage) -> str:
    parts = [] if damage.run is None else [f"run {damage.run}"]
    parts += [] if damage.batch is None else [f"batch {damage.batch}"]
    return f"{', '.join(parts)}: " if parts else ""


def _damage_to_json(damage: Damage) -> dict[str, Any]:
    return {
        "run": damage.run,
        "run_id": damage.run_id or None,
        "batch": damage.batch,
        "what": damage.what,
        "advice": damage.advice,
    }


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
