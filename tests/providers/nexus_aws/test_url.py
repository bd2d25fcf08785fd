"""Store URLs of the kind dynamodb://."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nexus_aws import open_store
from nexus_sdk.errors import StoreError
from nexus_sdk.store import open as opening


def test_a_url_opens_a_store_through_the_entry_point() -> None:
    store = opening.open_store("dynamodb://orders?region=eu-central-1&endpoint=http://127.0.0.1:1&bucket=orders-blobs")
    assert type(store).__name__ == "AwsStore"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("dynamodb://", "name of a table"),
        ("dynamodb://a b", "name of a table"),
        ("dynamodb://orders/more", "name of a table"),
        ("dynamodb://orders?regoin=x", "unknown option 'regoin'"),
        ("dynamodb://orders?region=", "'region' is empty"),
        ("dynamodb://orders?bucket=UPPER", "no name of a bucket"),
    ],
)
def test_a_url_that_makes_no_sense_says_why(url: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        open_store(url)


def test_a_missing_sdk_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['botocore'] = None\n"
        "import asyncio\n"
        "from nexus_aws import open_store\n"
        "asyncio.run(open_store('dynamodb://orders?region=eu-central-1').find('a'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert 'pip install "nexus-sdk[aws]"' in ran.stderr


def test_opening_imports_no_sdk() -> None:
    script = (
        "import sys\n"
        "from nexus_aws import open_store\n"
        "open_store('dynamodb://orders?region=eu-central-1')\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore', 'aiobotocore')]\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
