"""Numbers as people read them: tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.catalogue import BY_NAME
from benchmarks.measures import Numbers

LIMITS = {
    "raw_commits_of_one_row_per_s": "SQLite, a commit of one row",
    "raw_commits_of_a_turn_per_s": "SQLite, a commit of the rows a turn writes",
    "raw_fsyncs_per_s": "4 KB appended and fdatasync",
    "raw_decoded_events_per_s": "msgpack, an event decoded",
}


def medians(runs: Sequence[Numbers]) -> Numbers:
    """Of each number."""
    return {name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]}


def shown(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(found: Mapping[str, Any]) -> str:
    """What was measured, beside what was asked."""
    lines = ["| workload | median | spread | also | target | met |", "|---|---|---|---|---|---|"]
    for one in found["workloads"]:
        names = [name for name in BY_NAME[one["name"]].shown if name in one["medians"]]
        first, *others = names
        values = [run[first] for run in one["runs"]]
        cells = [
            one["name"],
            f"{first} {shown(one['medians'][first])}",
            f"{shown(min(values))}–{shown(max(values))}",
            " · ".join(f"{name} {shown(one['medians'][name])}" for name in others),
            " · ".join(target["target"] for target in one["targets"]) or "–",
            " · ".join("yes" if target["met"] else f"no: {shown(target['value'])}" for target in one["targets"]) or "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_limits(found)])


def _limits(found: Mapping[str, Any]) -> list[str]:
    """The raw limits: medians over all the moments at which they were measured."""
    runs = [run for one in found["workloads"] for run in one["runs"]]
    lines = ["| raw limit of the same run | per second | spread |", "|---|---|---|"]
    for name, text in LIMITS.items():
        values = [run[name] for run in runs]
        lines.append(f"| {text} | {shown(statistics.median(values))} | {shown(min(values))}–{shown(max(values))} |")
    return lines


def comparison(names: tuple[str, str], series: Mapping[str, tuple[Sequence[Numbers], Sequence[Numbers]]]) -> str:
    """What two revisions took, and the second as a share of the first."""
    before, after = names
    lines = [f"| workload | number | {before} | {after} | ratio | spread of the ratio |", "|---|---|---|---|---|---|"]
    for workload, (olds, news) in series.items():
        for name in BY_NAME[workload].shown:
            pairs = [(old[name], new[name]) for old, new in zip(olds, news, strict=True) if name in old and name in new]
            ratios = [new / old for old, new in pairs if old]
            if not ratios:
                continue
            old, new = (statistics.median(side) for side in zip(*pairs, strict=True))
            spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
            cells = [workload, name, shown(old), shown(new), f"{statistics.median(ratios):.2f}", spread]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
