"""Store URLs of the kind dynamodb://."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexus_aws import open_store
from nexus_aws.aio import SharedCall
from nexus_aws.call import BotoCall
from nexus_aws.lean import LeanCall
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


@pytest.mark.parametrize(
    ("url", "variables", "region"),
    [
        ("dynamodb://orders?region=eu-west-1", {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("dynamodb://orders", {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-north-1"),
        ("dynamodb://orders", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        ("dynamodb://orders", {}, "ap-south-1"),  # the profile's
    ],
)
@pytest.mark.parametrize("where", ["elsewhere", "in a function"])
def test_the_region_is_the_urls_or_the_environments_or_the_profiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, variables: dict[str, str], region: str, where: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    profile = tmp_path / "config"
    profile.write_text("[default]\nregion = ap-south-1\n")
    own = {"AWS_CONFIG_FILE": str(profile), "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    if where == "in a function":
        own["AWS_LAMBDA_FUNCTION_NAME"] = "orders"
    for name, value in (own | variables).items():
        monkeypatch.setenv(name, value)
    call = open_store(url)._call
    threads = call._threads if isinstance(call, SharedCall) else call
    assert isinstance(threads, BotoCall)
    assert threads.client("dynamodb").meta.region_name == region
    assert threads.client("dynamodb").meta.endpoint_url == f"https://dynamodb.{region}.amazonaws.com"
    if isinstance(threads, LeanCall):
        assert threads._base("dynamodb") == f"https://dynamodb.{region}.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "variables", "said"),
    [
        ("dynamodb://orders", {}, "in which region"),
        ("dynamodb://orders?region=eu central", {}, "eu central"),
        ("dynamodb://orders?region=eu-central-1&endpoint=localhost", {}, "Invalid endpoint"),
        ("dynamodb://orders?region=eu-central-1", {"AWS_PROFILE": "nobody"}, "profile"),
        ("dynamodb://orders?region=eu-central-1&endpoint=http://127.0.0.1:9", {}, "credentials"),
    ],
)
@pytest.mark.parametrize("is_serving", [False, True])
async def test_what_the_sdk_cannot_make_sense_of_is_told_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], said: str, is_serving: bool
) -> None:
    own = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (own | variables).items():
        monkeypatch.setenv(name, value)
    store = open_store(url)
    bell = store.doorbell() if is_serving else None
    with pytest.raises(StoreError, match=said) as caught:
        await store.find("a")
    assert caught.value.hint
    if bell is not None:
        bell.close()
    await store.close()


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
