"""What TLC is asked: the checks of docs/formal, in two sizes, and the mutants that it must reject.

`make formal` runs all of it and prints what came of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.formal import tlc

CHECKS: Mapping[str, Mapping[str, str]] = {
    "Transactional-activities.cfg": {"FaultsMax": "2"},
    "Transactional-timers.cfg": {"FaultsMax": "2"},
    "Transactional-runs.cfg": {"FaultsMax": "1", "GivesUp": "TRUE", "FaultKinds": '{"crash", "stall", "reply"}'},
    "Transactional-holds.cfg": {"FaultsMax": "2"},
    "Transactional-liveness.cfg": {"FaultsMax": "2"},
    "Split-activities.cfg": {"FaultsMax": "2"},
    "Split-outbox.cfg": {"FaultsMax": "2", "FaultKinds": '{"crash", "stall", "queue"}'},
    "Split-runs.cfg": {"Events": '{"e1"}', "FaultKinds": '{"crash", "stall", "queue"}'},
    "Split-sends-liveness.cfg": {"FaultsMax": "2"},
    "Split-timers-liveness.cfg": {"FaultsMax": "2"},
    "Children-purges.cfg": {"Operations": "{1, 2}", "RewindsMax": "0"},
    "Children-liveness.cfg": {"StrangersMax": "1"},
}
"""Each configuration, and what is larger in the nightly run."""


GRAPHS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "a worker with an activity": ("Transactional-graph.cfg", {}),
    "two workers with a timer": (
        "Transactional-graph.cfg",
        {"Timers": '{"t1"}', "Activities": "{}", "Workers": "{w1, w2}"},
    ),
    "two runs": (
        "Transactional-graph.cfg",
        {"RunsMax": "2", "Ends": '{"go", "end", "continue"}', "AttemptsMax": "1", "FaultsMax": "0", "GivesUp": "TRUE"},
    ),
    "held": (
        "Transactional-graph.cfg",
        {
            "Requests": '{"suspend", "resume", "terminate"}',
            "Ends": '{"go", "end", "suspend", "block", "hold"}',
            "Activities": "{}",
            "Events": "{}",
        },
    ),
    "activities and timers given up": (
        "Transactional-graph.cfg",
        {"GivesUp": "TRUE", "Timers": '{"t1"}', "Events": "{}"},
    ),
    "split: sends to another": (
        "Split-graph.cfg",
        {"Peers": '{"p1"}', "Activities": "{}", "Workers": "{w1, w2}", "Events": "{}"},
    ),
    "split: a worker with an activity": ("Split-graph.cfg", {}),
    "split: activities and timers given up": (
        "Split-graph.cfg",
        {"GivesUp": "TRUE", "Timers": '{"t1"}', "Events": "{}", "FaultsMax": "0"},
    ),
}
"""Small bounds within which all states and steps of the twin are compared with those of the specification."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A way of getting one action wrong.

    Attributes:
        config: the check that notices it.
        broken: what does not hold then.
        what: in words.
        constants: what the check has to have otherwise, to reach it soon.
    """

    config: str
    broken: str
    what: str
    constants: Mapping[str, str] = field(default_factory=dict)


LIVE = "a temporal property"

MUTANTS: Mapping[str, Mutant] = {
    "noFence": Mutant("Transactional-timers.cfg", "BatchesAreContiguous", "a turn is committed wherever the log is"),
    "anyHolder": Mutant("Transactional-activities.cfg", "OutcomesAreTakenOnce", "who lost a lease may settle"),
    "staleMail": Mutant("Transactional-timers.cfg", "InputsAreKeptInOrder", "mail older than the execution is used"),
    "noDedup": Mutant("Transactional-timers.cfg", "InputsAreKeptInOrder", "the same message is accepted twice"),
    "acceptAfterEnd": Mutant("Transactional-timers.cfg", "NothingFollowsTheEnd", "an ended instance takes messages"),
    "turnAfterEnd": Mutant("Transactional-timers.cfg", "NothingFollowsTheEnd", "an ended instance takes turns"),
    "keepConsumed": Mutant("Transactional-timers.cfg", "InputsAreKeptInOrder", "consumed messages stay in the inbox"),
    "loseInbox": Mutant("Transactional-timers.cfg", "InputsAreKeptInOrder", "what came after the load is removed, too"),
    "heldForgets": Mutant("Transactional-holds.cfg", "InputsAreKeptInOrder", "a held instance drops its messages"),
    "dropUnread": Mutant("Transactional-runs.cfg", "EventsAreReadInOrder", "continue-as-new forgets unread events"),
    "oldRunOutcome": Mutant("Transactional-runs.cfg", "OutcomesAreOfTheirRun", "the run before's outcomes are taken"),
    "outcomeTwice": Mutant("Transactional-activities.cfg", "ActivitiesResolveOnce", "a second outcome is recorded"),
    "endLeavesTasks": Mutant("Transactional-timers.cfg", "EndedRunsLeaveNothing", "the end leaves activities open"),
    "conflictDropsOutcome": Mutant("Transactional-activities.cfg", "OutcomesAreKept", "a conflict costs an outcome"),
    "repeatedCommit": Mutant("Transactional-activities.cfg", "BatchesAreContiguous", "a repeated commit is made again"),
    "earlyTimer": Mutant("Transactional-timers.cfg", "TimersAreNotEarly", "a timer fires before its time"),
    "timerSleeps": Mutant("Transactional-timers.cfg", "TimersAreIndexed", "a turn does not say when to be woken"),
    "noSweep": Mutant("Transactional-liveness.cfg", LIVE, "nobody looks for lost bells"),
    "noExpiry": Mutant("Transactional-liveness.cfg", LIVE, "the leases of the dead do not run out"),
    "lostOutbox": Mutant("Split-outbox.cfg", "OutboxIsKept", "the next batch replaces an outbox that is behind"),
    "sentEarly": Mutant("Split-outbox.cfg", "OutboxIsKept", "`sent_through` moves before the sends are made"),
    "peerForgets": Mutant("Split-outbox.cfg", "SendsAreMadeOnce", "a repeated send is accepted again"),
    "noHeal": Mutant("Split-sends-liveness.cfg", LIVE, "nobody makes a dead committer's sends"),
    "noSweep (split)": Mutant("Split-sends-liveness.cfg", LIVE, "nobody puts lost messages again"),
    "noTombstone": Mutant("Children-purges.cfg", "ChildrenAreBornOnce", "a purge leaves no tombstone"),
    "shortTombstone": Mutant(
        "Children-purges.cfg", "OutcomesAreTrue", "a tombstone falls while messages are under way"
    ),
    "refusalForgotten": Mutant("Children-purges.cfg", "OutcomesAreTrue", "who was refused is born when the id is free"),
    "purgeForgetsSends": Mutant("Children-purges.cfg", "OutcomesAreNotLost", "a purge does not wait for sends"),
    "anyCancel": Mutant("Children-purges.cfg", "OnlyOwnChildrenObey", "a child obeys whoever asks it to stop"),
    "outcomeAgain": Mutant("Children-purges.cfg", "OutcomesArriveOnce", "the end of a rewound child is taken again"),
    "endForgetsChildren": Mutant("Children-liveness.cfg", LIVE, "the end of a parent leaves its children running"),
    "anyOrder": Mutant("Children-liveness.cfg", LIVE, "a cancel overtakes the request for the child"),
}


def run_check(config: str, *, is_nightly: bool = False) -> tlc.Checked:
    """Check a configuration, in its ordinary size or the larger one."""
    return tlc.run(config, CHECKS[config] if is_nightly else None)


def run_mutant(name: str) -> tlc.Checked:
    """Check with one action broken."""
    mutant = MUTANTS[name]
    return tlc.run(mutant.config, {**mutant.constants, "Bug": f'"{name.partition(" ")[0]}"'})


def _size(checked: tlc.Checked) -> str:
    return f"{checked.states:9,} states {checked.depth or '?':>3} deep {checked.seconds:6.1f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all checks, then all mutants; 1 when something is not as it should be."""
    parser = argparse.ArgumentParser("python -m tests.formal.checks", description=__doc__)
    parser.add_argument("--nightly", action="store_true", help="larger bounds: takes many minutes")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this check, or this mutant")
    asked = parser.parse_args(arguments)
    if lacking := tlc.missing():
        print(f"TLC cannot run: {lacking}", file=sys.stderr)
        return 2
    names = [config.removesuffix(".cfg") for config in CHECKS] + list(MUTANTS)
    if unknown := [name for name in asked.only if name not in names]:
        print(f"There is no check and no mutant {unknown[0]!r}. There are: {', '.join(names)}.", file=sys.stderr)
        return 2
    chosen = asked.only or names
    checked = [_is_well(name, asked.nightly) for name in names if name in chosen]
    return 0 if all(checked) else 1


def _is_well(name: str, is_nightly: bool) -> bool:
    """Whether a check holds, or a mutant is rejected; and it is said."""
    if name in MUTANTS:
        mutant, checked = MUTANTS[name], run_mutant(name)
        is_well = checked.broken == mutant.broken
        verdict = f"rejected: {checked.broken}" if is_well else f"EXPECTED {mutant.broken}, not {checked.broken!r}"
    else:
        checked = run_check(f"{name}.cfg", is_nightly=is_nightly)
        is_well = not checked.broken
        verdict = "holds" if is_well else f"BROKEN: {checked.broken}\n{checked.output}"
    print(f"{name:30} {_size(checked)}  {verdict}", flush=True)
    return is_well


if __name__ == "__main__":
    sys.exit(main())
