"""Every sample, killed after each store operation of its worker, on every store: it comes to the same end."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nexus_sdk import Nexus
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.testing import WorkflowEnvironment

Script = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """What is run of a sample, and what the world around it does.

    `arguments` are made in the folder of the test. `mocks`: what activities answer, one attempt after another.
    """

    workflow: str
    arguments: Callable[[ModuleType], tuple[Any, ...]] = lambda sample: ()
    script: Script | None = None
    mocks: dict[str, list[Any]] = field(default_factory=dict)
    ignoring: str = ""
    id: str = "it"


def sends(*events: tuple[str, Any]) -> Script:
    async def script(env: Any, handle: Any) -> None:
        for name, payload in events:
            await handle.send_event(name, payload)

    return script


async def three_come_and_the_museum_closes(env: Any, handle: Any) -> None:
    for _ in range(3):
        await handle.send_event("add", 1)
        await env.settle()
    await handle.cancel()


def small_tree(sample: ModuleType) -> tuple[str, str]:
    source = Path("source")
    source.mkdir(exist_ok=True)
    (source / "a.txt").write_text("alpha")
    (source / "b.txt").write_text("beta")
    return str(source), "archive"


def patient(sample: ModuleType) -> tuple[Any, ...]:
    from datetime import date

    from nexus_sdk import Secret

    return sample.Patient("Ada Byron", date(1815, 12, 10)), Secret("A-1815")


CASES = {
    "hello": Case("hello"),
    "order_saga": Case("place_order", lambda sample: (sample.Order("order-2", "a lamp", "nowhere"),)),
    "fan_out_fan_in": Case("bill_month", lambda sample: ("2026-01", 5)),
    "human_approval": Case(
        "approve_expense",
        lambda sample: (sample.Expense("Ada", 45_000),),
        sends(("decision", {"approved": True, "by": "Grace"})),
    ),
    "polling_monitor": Case(
        "follow_parcel", lambda sample: ("parcel-1",), mocks={"look_up": ["announced", "delivered"]}
    ),
    "eternal_counter": Case("count", lambda sample: (0, 2), three_come_and_the_museum_closes),
    "child_workflows": Case("send_order", lambda sample: ({"lamp": "north", "rug": "flooded"},)),
    "retries_and_timeouts": Case(
        "pay_invoice",
        lambda sample: ("invoice-1", 9_900, 3, 0.0),
        mocks={"transfer": [ConnectionError("no answer"), "paid"]},
    ),
    "versioning": Case("welcome", lambda sample: ("Ada",)),
    "encrypted_payloads": Case("report_findings", patient, sends(("signed", "Dr. Grace")), id="case-1"),
    "custom_codec": Case("split_bill", lambda sample: (sample.Money(10_000, "EUR"), ["Ada", "Bob", "Eve"])),
    "ai_agent_loop": Case("answer_customer", lambda sample: ("order-7 came broken",), sends(("allow:call-2", True))),
    "aws_order": Case("fulfil", lambda sample: (["a lamp", "a rug"], 12_000), sends(("approved", True))),
    "archive_tree": Case("archive_tree", small_tree, ignoring=r"listing-\d+"),
}

STORES = {"memory": "memory://", "split": "memory://?profile=split", "sqlite": "sqlite:///{folder}/nexus.db"}


def test_every_sample_is_here() -> None:
    assert set(CASES) == {path.parent.name for path in Path(__file__).parent.glob("*/README.md")}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("name", CASES)
async def test_it_comes_to_the_same_end(name: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEXUS_KEYS", "2026=" + base64.b64encode(bytes(range(32))).decode())
    sample, case = import_module(name), CASES[name]
    found = list(vars(sample).values())
    apps = [value for value in found if isinstance(value, Nexus)]
    env = WorkflowEnvironment(
        list({id(value): value for value in found if isinstance(value, Workflow)}.values()),
        list({id(value): value for value in found if isinstance(value, Activity)}.values()),
        store=STORES[store].format(folder=tmp_path),
        codec=apps[0].codec if apps else None,
    )
    async with env:
        for activity, answers in case.mocks.items():
            env.mock(activity, sequence=answers)
        workflow = getattr(sample, case.workflow)
        crashes = await env.crash_everywhere(
            workflow,
            *case.arguments(sample),
            script=case.script,
            ignoring=case.ignoring,
            id=case.id,
        )
        assert crashes > 4
