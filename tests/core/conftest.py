"""Law 12: every prefix of every history that a test makes replays to the recorded operations, twice."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.core.driver import Driver, driven


@pytest.fixture(autouse=True, scope="module")
def collections_are_quick() -> Iterator[None]:
    """Drivers collect garbage at every turn: leave out of it what was loaded before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def every_prefix_replays() -> Iterator[None]:
    driven.clear()
    yield
    for driver in driven:
        _check_prefixes(driver)
        driver.live.dispose()
    driven.clear()


def _check_prefixes(driver: Driver) -> None:
    if not driver.is_thorough:
        return
    for length in range(1, len(driver.batches) + 1):
        for _ in range(2):
            driver.fresh(batches=driver.batches[:length]).dispose()
