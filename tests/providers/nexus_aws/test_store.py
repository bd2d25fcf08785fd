"""The store on DynamoDB, SQS and S3 passes the suite, on an emulator.

The emulator takes some ten milliseconds for a request; so what takes thousands of them runs at night, and by day over
rows in memory (`tests/store/test_split_rows.py`): the same code but for the requests themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.testing.provider_suite import ProviderSuite
from tests.providers.nexus_aws.cloud import Cloud

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]

NIGHTLY = bool(os.environ.get("NEXUS_NIGHTLY"))

CRASHED = "test_a_shape_survives_a_crash_at_every_call"
"""Minutes for each shape: a run for each of its calls. All of them pass it over rows in memory, each day."""

LONG = (
    "test_more_than_any_database_gives_at_once_is_listed_and_counted",
    "test_after_a_crash_between_any_two_calls_another_worker_comes_to_the_same_end",
    "test_whichever_reply_is_lost_the_same_call_again_comes_to_the_same_end",
    "test_a_turn_may_send_many_things",
)

BY_NIGHT = ("at once", "race")
"""Shapes that are crashed at every call on the emulator, too."""

BY_DAY = ("at once", "race", "children", "saga that fails", "events to and fro", "retries with delays")
"""Shapes that run by day, too."""


class TestAwsStore(ProviderSuite):
    @pytest.fixture(autouse=True)
    def _by_day(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", "")
        shape = getattr(request.node, "callspec", None)
        is_long = name in LONG or (
            name.startswith("test_a_shape_has") and shape is not None and shape.params["name"] not in BY_DAY
        )
        if is_long and not NIGHTLY:
            pytest.skip("takes many seconds; NEXUS_NIGHTLY=1 asks for it")
        if name == CRASHED and shape is not None and not (NIGHTLY and shape.params["name"] in BY_NIGHT):
            pytest.skip("takes minutes on the emulator, and passes over rows in memory")

    @pytest.fixture
    def store_factory(self, cloud: Cloud) -> Callable[[], Store]:
        return cloud.stores()

    @pytest.fixture
    def fresh_store(self, cloud: Cloud) -> Callable[[], Store]:
        return lambda: cloud.stores()()


def test_the_shapes_of_the_day_are_there() -> None:
    from nexus_sdk.testing.provider_suite.shapes import SHAPES

    assert set(BY_DAY) | set(BY_NIGHT) <= set(SHAPES)
    assert all(hasattr(ProviderSuite, name) for name in (*LONG, CRASHED))
