"""Planted bugs: each is a small change of the engine or of a store that breaks a promise. The simulation must notice.

A mutant that survives is a weakness of the simulation: each must be caught within `catching.SEEDS_MAX` seeds. The one
rule: each changes one thing that somebody could get wrong in good faith.
"""

from __future__ import annotations

from tests.simulation import planted_in_engine, planted_in_stores
from tests.simulation.planting import MUTANTS, planted

__all__ = ["MUTANTS", "planted", "planted_in_engine", "planted_in_stores"]
