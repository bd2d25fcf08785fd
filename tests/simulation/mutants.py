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
        "cancels of unstarted children mean nothing",
        "events between instances are taken twice",
        "given back is counted",
        "own success is not recognised",
        "repeated sends are new sends",
    }
)
"""Those that no seed is known to notice: what the simulation has yet to learn. Whoever finds one takes it out here."""
