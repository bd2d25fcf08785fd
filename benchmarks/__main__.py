"""Speed, measured beside the raw limits of this machine.

python -m benchmarks                    every workload
python -m benchmarks compare A B        two revisions of this repository, interleaved
python -m benchmarks profile            where the processor's time goes, part by part (needs py-spy)
python -m benchmarks beside PATH ...    the same workloads beside other engines, in their harness
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import beside, compare, report, shares
from benchmarks.catalogue import ALL, chosen
from benchmarks.measuring import Effort, measure
from benchmarks.workloads.base import Workload

NAMES = ", ".join(workload.name for workload in ALL)


def main(arguments: Sequence[str]) -> None:
    """Take the door that the first argument names."""
    match arguments:
        case ["compare", *others]:
            _compare(others)
        case ["profile", *others]:
            _profile(others)
        case ["beside", *others]:
            _beside(others)
        case _:
            _measure(arguments)


def _measure(arguments: Sequence[str]) -> None:
    asked = _parser("").parse_args(arguments)
    found = measure(asked.only, asked.store, Effort(asked.reps, asked.tiny), asked.folder, _say)
    print(report.table(found))
    _keep(asked.json, found)


def _compare(arguments: Sequence[str]) -> None:
    parser = _parser("compare")
    what = f"a commit, or {compare.WORKING_TREE} for the files as they are"
    parser.add_argument("revisions", nargs=2, metavar="REVISION", help=what)
    asked = parser.parse_args(arguments)
    before, after = asked.revisions
    effort = Effort(asked.reps, asked.tiny)
    pairs = compare.compare((before, after), asked.only, asked.store, effort, asked.folder, _say)
    print(report.comparison((before, after), pairs))
    _keep(asked.json, {"revisions": asked.revisions, "store": asked.store, "runs": pairs})


def _profile(arguments: Sequence[str]) -> None:
    parser = _parser("profile")
    parser.add_argument("--times", type=int, default=5, help="so many times the usual size")
    asked = parser.parse_args(arguments)
    times = 1 if asked.tiny else asked.times
    try:
        found = [(each, shares.profile(each, asked.store, asked.folder, times=times)) for each in asked.only]
    except shares.NoProfiler as missing:
        raise SystemExit(str(missing)) from None
    print(shares.table(found))


def _beside(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks beside")
    parser.add_argument("harness", type=Path, help="its folder")
    asked, others = parser.parse_known_args(arguments)
    raise SystemExit(beside.run(asked.harness, others))


def _parser(door: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {door}".strip(),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", type=_workloads, default=list(ALL), help=f"some of {NAMES}; W1 stands for all that begin with W1/"
    )
    parser.add_argument("--store", default="sqlite", help="sqlite, memory, or the URL of an empty store")
    parser.add_argument("--reps", type=int, default=3, help="medians of so many runs")
    parser.add_argument("--tiny", action="store_true", help="only so much that each is seen to work")
    parser.add_argument("--folder", type=Path, help="where the files are put: a folder on the disk to be measured")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    return parser


def _workloads(names: str) -> list[Workload]:
    try:
        return chosen(names)
    except KeyError as unknown:
        raise argparse.ArgumentTypeError(f"there is no workload {unknown}; there are {NAMES}") from None


def _keep(path: Path | None, found: object) -> None:
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
