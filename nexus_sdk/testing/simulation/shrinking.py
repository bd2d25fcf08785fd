"""Making a failing run smaller: leave out what it does not need to fail."""

from __future__ import annotations

from collections.abc import Callable

from nexus_sdk.testing.simulation.plan import Plan, draw, parts, without
from nexus_sdk.testing.simulation.world import Outcome, simulate

RUNS_MAX = 150
"""So many runs are tried, unless said otherwise."""


def shrink(outcome: Outcome, run: Callable[[Plan], Outcome] = simulate, *, runs_max: int = RUNS_MAX) -> Outcome:
    """A smaller run that fails too, maybe for another reason; the same where there is none.

    Args:
        outcome: a run that failed.
        run: runs a plan.
        runs_max: so many runs are tried.
    """
    smallest, runs_left = outcome, runs_max
    has_shrunk = True
    while has_shrunk:
        has_shrunk = False
        for name in parts(smallest.plan):
            if runs_left == 0:
                return smallest
            runs_left -= 1
            tried = run(without(smallest.plan, [name]))
            if tried.broken:
                smallest, has_shrunk = tried, True
    return smallest


def command(plan: Plan, file: str | None = None) -> str:
    """What to type to run it again. `file`: where it was kept, if it was not drawn."""
    what = f"--seed {plan.seed}" if file is None else f"--plan {file}"
    words = ["python -m nexus_sdk.testing.simulation", what]
    if file is None and plan.profile != draw(plan.seed).profile:
        words.append(f"--store {plan.profile}")
    if plan.drops:
        words.append(f"--without {','.join(plan.drops)}")
    return " ".join(words)
