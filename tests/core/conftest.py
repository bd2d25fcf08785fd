"""Law 12: every prefix of every history that a test makes replays to the recorded operations, twice."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.core.driver import driven, forget_all


@pytest.fixture(autouse=True, scope="module")
def collections_are_quick() -> Iterator[None]:
    """Drivers collect garbage at every turn: leave out of it what was loaded before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def every_prefix_replays() -> Iterator[None]:
    forget_all()
    yield
    for driver in driven:
        driver.check_prefixes()
    forget_all()
