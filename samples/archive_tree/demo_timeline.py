"""For demo.sh: waits for the half-way, and tells from the history what ran when.

python demo_timeline.py wait-halfway ID          returns when half of the portions are stored; exit code 1 when late
nexus history ID --json | python demo_timeline.py show KILLED_AT
                                                 draws it; exit code 1 when something was recorded twice
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nexus_sdk import Nexus

WIDTH = 46
ENDS = ("ActivityCompleted", "ActivityFailed", "ActivityCancelled")


@dataclass
class Run:
    """One activity as the history has it."""

    label: str
    name: str
    scheduled: float
    ended: float
    attempts: int
    ended_by: str


async def wait_halfway(id: str) -> bool:
    """Wait until half of the portions are stored; False when it has ended before that was seen."""
    client = Nexus().client()  # of the store that NEXUS_STORE names
    for _ in range(600):
        if await client.exists(id):
            status = await client.get(id).status()
            ends = [event for event in await client.get(id).history() if type(event).__name__ == "ActivityCompleted"]
            plan = next((client.codec.decode(event.result) for event in ends if event.path == "0"), None)
            if plan and len(ends) > plan["chunks"] // 2:
                return not status.status.is_finished and len(ends) <= plan["chunks"]
        await asyncio.sleep(0.05)
    return False


def batches_of(exported: str) -> list[dict[str, Any]]:
    """The batches of the last run, of what `nexus history ID --json` prints."""
    batches: list[dict[str, Any]] = json.loads(exported)["runs"][-1]["batches"]
    return batches


def runs_of(batches: list[dict[str, Any]]) -> list[Run]:
    """The activities, in the order in which they were scheduled."""
    runs: dict[str, Run] = {}
    for batch in batches:
        at = batch["stamped_at_us"] / 1e6
        for event in batch["events"]:
            if event["event"] == "ActivityScheduled":
                chunk = event["arguments"].get("chunk")
                label = event["name"] if chunk is None else f"{event['name']} {chunk}"
                runs[event["path"]] = Run(label, event["name"], at, 0.0, 0, "")
            elif event["event"] in ENDS:
                run = runs[event["path"]]
                run.ended, run.attempts, run.ended_by = at, event["attempts"], batch["worker"]
    return list(runs.values())


def recorded_twice(batches: list[dict[str, Any]]) -> list[str]:
    """Operations that were scheduled twice or have two ends; batches that are numbered wrongly. Empty: all is well."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in batches:
        for event in batch["events"]:
            kind = "end" if event["event"] in ENDS else event["event"]
            if kind in ("end", "ActivityScheduled"):
                counts[kind, event["path"]] += 1
            elif kind in ("WorkflowCreated", "WorkflowStarted", "WorkflowCompleted"):
                counts[kind, ""] += 1
    wrong = [f"{kind} {path} × {number}" for (kind, path), number in counts.items() if number != 1]
    scheduled = {path for kind, path in counts if kind == "ActivityScheduled"}
    wrong += [f"{path} has no end" for path in scheduled - {path for kind, path in counts if kind == "end"}]
    if [batch["number"] for batch in batches] != list(range(1, len(batches) + 1)):
        wrong.append("the batches are not numbered 1, 2, 3, …")
    return wrong


def show(batches: list[dict[str, Any]], killed_at: float) -> int:
    """Draw it."""
    bold, dim, red, green, off = (
        ("\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[0m") if _is_colourful() else [""] * 5
    )
    runs = runs_of(batches)
    stores = [run for run in runs if run.name in ("walk", "store_files")]
    begin, end = runs[0].scheduled, max(run.ended for run in stores)
    column = WIDTH / (end - begin)
    kill = round((killed_at - begin) * column)
    killed = datetime.fromtimestamp(killed_at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    print(f"{'':16}{' ' * kill}{red}┃ SIGKILL {killed}{off}")
    again = []
    for run in stores:
        first, last = round((run.scheduled - begin) * column), round((run.ended - begin) * column)
        crosses = run.scheduled < killed_at < run.ended
        cells = ["━" if first <= at <= max(last, first + 1) else " " for at in range(WIDTH + 2)]
        cells[kill] = f"{red}┃{off}"
        note = ""
        if crosses and run.attempts > 1:
            again.append(run)
            note = f"{bold}in flight: attempt {run.attempts}{off}"
        elif crosses:
            note = f"{dim}was waiting, or its end was lost{off}"
        print(f"{run.label:>15} {''.join(cells)} {note}".rstrip())
    before = [run for run in runs if run.ended < killed_at]
    after = [run for run in runs if run.scheduled >= killed_at]
    print()
    print(
        f"  before the kill  {len(before):3} activities were recorded by {before[0].ended_by}; none of them ran again"
    )
    print(f"  at the kill      {len(again):3} were in flight and ran again: {', '.join(run.label for run in again)}")
    print(f"  after the kill   {len(after):3} more were scheduled, all ended by {runs[-1].ended_by}")
    wrong = [run.label for run in before if run.attempts != 1] + recorded_twice(batches)
    print()
    if wrong:
        print(f"{red}{bold}WRONG:{off} {'; '.join(wrong)}")
        return 1
    events = sum(len(batch["events"]) for batch in batches)
    print(
        f"{green}{bold}Nothing was recorded twice:{off} {events} events, {len(batches)} turns, {len(runs)} activities."
    )
    return 0


def _is_colourful() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


if __name__ == "__main__":
    if sys.argv[1] == "wait-halfway":
        sys.exit(0 if asyncio.run(wait_halfway(sys.argv[2])) else 1)
    sys.exit(show(batches_of(sys.stdin.read()), float(sys.argv[2])))
