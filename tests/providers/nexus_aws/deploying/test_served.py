"""From a program to a result: built, deployed, served by the real Lambda runtime, and started over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexus_aws.deploying.account import Account
from nexus_aws.deploying.alarms import alarm_resources
from nexus_aws.deploying.deployment import AwsDeployment
from nexus_aws.deploying.platform import AWS
from nexus_sdk.building.build import build
from nexus_sdk.building.program import Program
from nexus_sdk.building.rehearsal import rehearse
from nexus_sdk.errors import InstancesAtRisk
from tests.building.here import install_from_here
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.conftest import REQUIRED
from tests.providers.nexus_aws.deploying.conftest import MakeProgram, Said, settings
from tests.providers.nexus_aws.deploying.stacked import Stacked

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(find_spec("awslambdaric") is None and not REQUIRED, reason="pip install 'nexus-sdk[dev]'"),
]

SHOP = """
import os
from pydantic import BaseModel
from nexus_sdk import Context, Nexus, activity, workflow
import prices

class Order(BaseModel):
    id: str
    items: list[str]

@activity
async def charge(order: Order) -> int:
    return prices.total(order.items)

@activity(task_queue="warehouse")
def ship(order: str) -> str:
    return f"{os.environ['GREETING']}, parcel of {order}"

@workflow
async def fulfil(ctx: Context, order: Order):
    paid = yield charge(order)
    if not (yield ctx.wait_for_event("approved", bool)):
        yield ctx.complete("refused")
    yield ctx.complete({"paid": paid, "parcel": (yield ship(order.id))})

@workflow
async def broken(ctx: Context):
    yield "no operation"

app = Nexus("sqlite:///shop.db", workflows=[fulfil, broken], activities=[charge, ship])
"""


@pytest.fixture
def shop(make_program: MakeProgram) -> Program:
    """A program with a module beside it, on a store of its own."""
    now.set(0)
    files = {"shop.py": SHOP, "prices.py": "def total(items):\n    return 100 * len(items)\n"}
    return make_program(files, "shop")


@pytest.fixture
def stacked(shop: Program, account: Account, cloud: Cloud, tmp_path: Path, said: Said) -> Iterator[Stacked]:
    """The program, built and deployed; its function runs."""
    wanted = settings(shop, stage="prod", variables=["GREETING=hello"])
    archive = build(shop, AWS.target(wanted), tmp_path / "shop.zip", run=install_from_here)
    AwsDeployment(account, shop, wanted, archive).apply(said)
    stacked = Stacked(account, "shop-prod", cloud.endpoint, tmp_path)
    yield stacked
    stacked.close()


def test_a_program_is_deployed_started_over_http_and_comes_to_its_result(
    stacked: Stacked, shop: Program, account: Account, capfd: pytest.CaptureFixture[str]
) -> None:
    order = {"id": "7", "items": ["a lamp", "a rug"]}
    assert stacked.request("POST", "/workflows/fulfil", {"id": "order-7", "arguments": {"order": order}}) == (
        202,
        {"id": "order-7"},
    )
    assert "shop-prod-nexus-turns" in stacked.pump()
    assert stacked.request("GET", "/instances/order-7")[1]["status"] == "running"

    # The same code goes on with what runs; a change that forgets the event would block it, and is not deployed.
    store = f"dynamodb://shop-prod?region={account.region}&bucket=shop-prod-123456789012-us-east-1"
    assert rehearse(shop.app, store).number == 1
    changed = SHOP.replace('yield ctx.wait_for_event("approved", bool)', 'yield ctx.sleep("1h")')
    (shop.root / "changed.py").write_text(changed)
    with pytest.raises(InstancesAtRisk, match="1 of 1 instance that runs would be blocked") as told:
        rehearse(_app_in("changed"), store)
    assert "NX201" in told.value.hint
    assert "order-7" in told.value.message

    assert stacked.request("POST", "/instances/order-7/events/approved", True)[0] == 202
    stacked.pump()  # the queue of the other activity, too, or the turn that has sent it goes on with it
    status, answer = stacked.request("GET", "/instances/order-7/result")
    assert (status, answer["result"]) == (200, {"paid": 200, "parcel": "hello, parcel of 7"})
    assert stacked.sweep() == {"looked_at": 0}
    assert stacked.container.starts == 1

    # What is blocked is in the log in the words that the alarm looks for.
    wanted = settings(shop, stage="prod")
    pattern = alarm_resources(wanted)["BlockedInstances"]["Properties"]["FilterPattern"].strip('"')
    stacked.request("POST", "/workflows/broken", {"id": "broken-1"})
    assert pattern not in capfd.readouterr().out
    stacked.pump()
    assert stacked.request("GET", "/instances/broken-1")[1]["status"] == "blocked"
    assert pattern in capfd.readouterr().out


def _app_in(module: str) -> object:
    import importlib

    importlib.invalidate_caches()
    return importlib.import_module(module).app
