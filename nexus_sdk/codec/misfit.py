"""How a value that does not fit its annotation is told. The one rule: the place, and never more than one scalar."""

from __future__ import annotations


class Misfit(Exception):
    """A value does not fit; `path` grows while this rises through the containers."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path
