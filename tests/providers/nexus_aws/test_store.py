"""The store on DynamoDB, SQS and S3 passes the suite, on an emulator."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexus_sdk.store.port import Store
from nexus_sdk.testing.provider_suite import ProviderSuite
from tests.providers.nexus_aws.cloud import Cloud

pytestmark = pytest.mark.component


class TestAwsStore(ProviderSuite):
    @pytest.fixture
    def store_factory(self, cloud: Cloud) -> Callable[[], Store]:
        return cloud.stores()

    @pytest.fixture
    def fresh_store(self, cloud: Cloud) -> Callable[[], Store]:
        return lambda: cloud.stores()()
