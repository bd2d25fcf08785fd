"""Planted bugs: each is a small change of the engine or of a store that breaks a promise. The simulation must notice.

A mutant that survives is a weakness of the simulation. The one rule: each changes one thing that somebody could get
wrong in good faith.
"""

from __future__ import annotations

from tests.simulation import planted_in_engine, planted_in_stores
from tests.simulation.planting import MUTANTS, planted

__all__ = ["MUTANTS", "UNNOTICED", "planted", "planted_in_engine", "planted_in_stores"]

UNNOTICED = frozenset(
    {
        "anybody may try again",
        "cancel delivered twice",
        "cancels of unstarted children mean nothing",
        "detached children are stopped",
        "events between instances are taken twice",
        "given back is counted",
        "held too far",
        "only the first child is stopped",
        "own success is not recognised",
        "refusals are not told",
        "repeated sends are new sends",
        "sent through moved by the wrong hand",
    }
)
"""Those that no seed is known to notice: what the simulation has yet to learn. Whoever finds one takes it out here."""
