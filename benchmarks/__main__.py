"""``python -m benchmarks [compare A B | beside PATH]``. See README.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import beside, compare, report
from benchmarks.catalogue import ALL, chosen
from benchmarks.measuring import Effort, measure


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(workload.name for workload in ALL)
    parser.add_argument("--only", help=f"some of {names}; W1 stands for all that begin with W1/")
    parser.add_argument("--store", default="sqlite", help="sqlite, memory, or the URL of an empty store")
    parser.add_argument("--reps", type=int, default=3, help="medians of so many runs")
    parser.add_argument("--tiny", action="store_true", help="only so much that each is seen to work")
    parser.add_argument("--folder", type=Path, help="where the files are put: a folder on the disk to measure")
    parser.add_argument("--json", type=Path, help="write everything that was measured here")
    doors = parser.add_subparsers(dest="door")
    comparing = doors.add_parser("compare", help="two revisions of this repository, interleaved")
    comparing.add_argument(
        "revisions", nargs=2, metavar="REVISION", help=f"a commit, or {compare.WORKING_TREE} for the files as they are"
    )
    placing = doors.add_parser("beside", help="the same workloads beside other engines, in their harness")
    placing.add_argument("harness", type=Path, help="its folder")
    placing.add_argument("arguments", nargs=argparse.REMAINDER, help="what its run.py takes")
    asked = parser.parse_args()
    if asked.door == "beside":
        raise SystemExit(beside.run(asked.harness, asked.arguments))
    try:
        workloads = chosen(asked.only)
    except KeyError as unknown:
        parser.error(f"there is no workload {unknown}; there are {names}")
    effort = Effort(asked.reps, asked.tiny)
    if asked.door == "compare":
        before, after = asked.revisions
        pairs = compare.compare((before, after), workloads, asked.store, effort, asked.folder, say)
        print(report.comparison((before, after), pairs))
        found: object = {"revisions": asked.revisions, "store": asked.store, "runs": pairs}
    else:
        results = measure(workloads, asked.store, effort, asked.folder, say)
        print(report.table(results))
        found = results
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
