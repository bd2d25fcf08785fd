"""What is recorded: each scene runs workflows under the clock of tests, and leaves instances whose histories are kept.

Scenes are only added. A scene that is changed is recorded beside what was recorded before, which is kept: instances
with such histories live on.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from nexus_sdk.app import Nexus
from nexus_sdk.authoring.activity import Activity
from nexus_sdk.authoring.workflow import Workflow
from nexus_sdk.codec import CodecChain, Compression, Encryption, wire
from nexus_sdk.core.events import Event
from nexus_sdk.core.failure import Failure
from nexus_sdk.core.history import PREVIOUS_HASH
from nexus_sdk.core.payload import Codec
from nexus_sdk.errors import WorkflowEnded
from nexus_sdk.replay.recorded import RecordedRun, Recording, load_recording
from nexus_sdk.store.memory import MemoryStore
from nexus_sdk.testing import WorkflowEnvironment
from tests.recorded import kinds

SAMPLES = Path(__file__).parents[2] / "samples"

Acts = Callable[[WorkflowEnvironment], Awaitable[None]]

KEYS = {"2025": bytes(range(32))}
"""The keys of the histories that are encrypted. Known to everybody, as they are for tests."""

SEALED = CodecChain(Compression(), Encryption(KEYS))
"""The codec of the histories that are compressed and encrypted."""


@dataclass(frozen=True)
class Scene:
    """What is run.

    Attributes:
        module: the name of a sample, or empty for `kinds`.
        acts: starts instances and does what the world around them does.
        is_sealed: its values are compressed and encrypted.
        inline_bytes_max: larger values lie apart in the store.
        is_in_any_order: threads finish as they like; what they did is compared without its order.
    """

    name: str
    acts: Acts
    module: str = ""
    is_sealed: bool = False
    inline_bytes_max: int | None = None
    is_in_any_order: bool = False

    @property
    def codec(self) -> Codec | None:
        """How its values are encoded: as the sample's own app does, unless keys are needed."""
        if self.is_sealed or not self.module:
            return SEALED if self.is_sealed else None
        app = getattr(_sample(self.module), "app", None)
        return app.codec if isinstance(app, Nexus) else None

    def served(self) -> tuple[list[Workflow[Any, Any]], list[Activity[Any, Any]]]:
        """Today's code."""
        if not self.module:
            return kinds.WORKFLOWS, kinds.ACTIVITIES
        workflows: dict[int, Workflow[Any, Any]] = {}
        activities: dict[int, Activity[Any, Any]] = {}
        for module in sample_modules(self.module):
            for one in vars(module).values():
                if isinstance(one, Workflow) and one.name:
                    workflows.setdefault(id(one), one)
                elif isinstance(one, Activity):
                    activities.setdefault(id(one), one)
        by_name = {(one.name, one.version): one for one in workflows.values()}
        return list(by_name.values()), list(activities.values())


def sample_modules(name: str) -> list[Any]:
    """The modules of a sample, those that others import first."""
    folder = str(SAMPLES / name)
    if folder not in sys.path:
        sys.path.append(folder)
    with _known_keys():
        files = sorted(path.stem for path in (SAMPLES / name).glob("*.py") if not path.stem.startswith("test_"))
        return [import_module(file) for file in files]


@contextmanager
def _known_keys() -> Iterator[None]:
    """A sample reads its keys when it is imported."""
    import base64

    before = os.environ.get("NEXUS_KEYS")
    os.environ["NEXUS_KEYS"] = "2025=" + base64.b64encode(KEYS["2025"]).decode()
    try:
        yield
    finally:
        if before is None:
            del os.environ["NEXUS_KEYS"]
        else:
            os.environ["NEXUS_KEYS"] = before


async def recorded(scene: Scene) -> dict[str, Recording]:
    """Record a scene: what its instances have in the store, by id."""
    workflows, activities = scene.served()
    store = MemoryStore()
    if scene.inline_bytes_max is not None:
        store.capabilities = replace(store.capabilities, payload_bytes_max=scene.inline_bytes_max)
    with tempfile.TemporaryDirectory() as folder, chdir(folder), redirect_stdout(io.StringIO()):
        async with WorkflowEnvironment(workflows, activities, codec=scene.codec, store=store) as env:
            await scene.acts(env)
            await env.settle()
            page = await env.client.list(limit=1000)
            return {one.id: cleaned(await load_recording(env.app.store, one.id)) for one in reversed(page)}


def cleaned(recording: Recording) -> Recording:
    """The recording with tracebacks that tell nothing of the machine it was made on; its hashes fit again."""
    runs: list[RecordedRun] = []
    for run in recording.runs:
        runs.append(_cleaned_run(run, runs[-1].batches[-1].hash if runs else b""))
    return Recording(tuple(runs))


def _cleaned_run(run: RecordedRun, previous_hash: bytes) -> RecordedRun:
    header = run.header
    stored: list[bytes] = []
    last_hash = wire.first_hash(header.instance_id, header.run_id)
    for batch in run.batches:
        header = batch.header
        if PREVIOUS_HASH in header.metadata:
            header = replace(header, metadata={**header.metadata, PREVIOUS_HASH: previous_hash.hex()})
        data, last_hash = wire.encode_batch(header, map(_cleaned, batch.events), last_hash)
        stored.append(data)
    return RecordedRun(run.number, tuple(map(wire.decode_batch, stored)), tuple(stored))


def _cleaned(value: Any) -> Any:
    """An event, or what is in it, with the files of its tracebacks named from the project's root."""
    if isinstance(value, Failure):
        text = re.sub(r'File "[^"]*?/((?:nexus_sdk|samples|tests)/[^"]*)"', r'File "\1"', value.traceback)
        text = re.sub(r'File "/[^"]*/', 'File "…/', text)
        return replace(value, traceback=text, cause=_cleaned(value.cause), group=_cleaned(value.group))
    if isinstance(value, tuple):
        return tuple(map(_cleaned, value))
    if isinstance(value, Event):
        names = [field.name for field in fields(value)]
        return replace(value, **{name: _cleaned(getattr(value, name)) for name in names})
    return value


# --- samples ----------------------------------------------------------------------------------------------------------


def _sample(name: str) -> Any:
    return next(module for module in sample_modules(name) if module.__name__ == name)


def _run(name: str, workflow: str, *args: Any, id: str = "") -> Acts:
    """Run a workflow of a sample to its end, however it ends."""

    async def acts(env: WorkflowEnvironment) -> None:
        module = _sample(name)
        handle = await env.start(getattr(module, workflow), *[_made(module, arg) for arg in args], id=id or name)
        with suppress(WorkflowEnded):
            await handle.result()

    return acts


def _made(module: Any, argument: Any) -> Any:
    """An argument; ``("Order", {...})`` is made of a class of the module."""
    if isinstance(argument, tuple):
        kind, fields = argument
        return getattr(module, kind)(**fields)
    return argument


async def _approval(env: WorkflowEnvironment) -> None:
    module = _sample("human_approval")
    handle = await env.start(module.approve_expense, module.Expense("Ada", 45_000), id="expense-1")
    await env.settle()
    await handle.send_event("decision", "perhaps")
    await handle.send_event("decision", {"approved": True, "by": "Grace"})
    await handle.result()


async def _counting(env: WorkflowEnvironment) -> None:
    handle = await env.start(_sample("eternal_counter").count, 0, 3, id="turnstile")
    for number in (1, 2, "x", 3, 4, 5):
        await handle.send_event("add", number)
    await env.settle()
    await handle.cancel("the museum closes")
    await env.settle()


async def _agent(env: WorkflowEnvironment) -> None:
    handle = await env.start(_sample("ai_agent_loop").answer_customer, "order-7 came broken", id="request-7")
    await handle.send_event("allow:call-2", True)
    await handle.result()


async def _bill(env: WorkflowEnvironment) -> None:
    module = _sample("custom_codec")
    await env.run(module.split_bill, module.Money(10_000, "EUR"), ["Ada", "Bob"], id="bill-1")


async def _january(env: WorkflowEnvironment) -> None:
    january = next(module for module in sample_modules("versioning") if module.__name__ == "january")
    february = _sample("versioning")
    await env.crash_worker()  # it is February's
    activities = [january.open_account, january.send_invoice, february.send_guide, february.tax_for]
    ada = await env.another_app([january.welcome], activities).client().start(january.welcome, "Ada", id="ada")
    async with env.another_worker([january.welcome], activities):
        await env.settle()
    await env.restart_worker()
    await env.run_until_idle()
    await ada.result()
    await env.run(february.welcome, "Bob", id="bob")


async def _archive(env: WorkflowEnvironment) -> None:
    source = Path("source")
    (source / "below").mkdir(parents=True)
    for name, text in {"a.txt": "alpha", "copy.txt": "alpha", "below/b.bin": "beta" * 10}.items():
        (source / name).write_text(text)
    # Relative: where it was recorded is nobody's business.
    await env.run(_sample("archive_tree").archive_tree, "source", "archive", id="archive-1")


async def _order(env: WorkflowEnvironment) -> None:
    handle = await env.start(_sample("aws_order").fulfil, ["a lamp", "a rug"], 12_000, id="order-1")
    await env.settle()
    await handle.send_event("approved", True)
    await handle.result()


async def _findings(env: WorkflowEnvironment) -> None:
    from datetime import date

    from nexus_sdk import Secret

    module = _sample("encrypted_payloads")
    patient = module.Patient("Ada", date(1815, 12, 10))
    handle = await env.start(module.report_findings, patient, Secret("A-1"), id="case-1")
    await handle.send_event("signed", "Dr Grace")
    await handle.result()


# --- kinds ------------------------------------------------------------------------------------------------------------


def _kind(workflow: Workflow[Any, Any], *args: Any, id: str) -> Acts:
    async def acts(env: WorkflowEnvironment) -> None:
        handle = await env.start(workflow, *args, id=id)
        with suppress(WorkflowEnded):
            await handle.result()
        await env.run_until_idle()

    return acts


async def _held(env: WorkflowEnvironment) -> None:
    handle = await env.start(kinds.waiting, id="held", delay="1h")
    await env.settle()
    await env.advance("2h")
    await handle.suspend("a pause")
    await env.settle()
    await handle.resume()
    await handle.send_event("told", "go on")
    await handle.result()


async def _ended(env: WorkflowEnvironment) -> None:
    cancelled = await env.start(kinds.waiting, id="cancelled")
    terminated = await env.start(kinds.waiting, id="terminated")
    await env.settle()
    await cancelled.cancel("no longer wanted")
    await terminated.terminate("at once")
    await env.settle()


async def _rewound(env: WorkflowEnvironment) -> None:
    handle = await env.start(kinds.failing, id="rewound")
    with suppress(WorkflowEnded):
        await handle.result()
    env.mock(kinds.broken, returns=None)
    await handle.rewind()
    await handle.result()


async def _blocked(env: WorkflowEnvironment) -> None:
    await env.crash_worker()
    handle = (
        await env.another_app([kinds.mended_before], [kinds.double]).client().start(kinds.mended_before, id="mended")
    )
    async with env.another_worker([kinds.mended_before], [kinds.double]):
        await env.settle()
    await env.restart_worker()
    await env.run_until_idle()
    await handle.result()


async def _rounds(env: WorkflowEnvironment) -> None:
    handle = await env.start(kinds.rounds, 2, id="rounds")
    for number in range(3):
        await handle.send_event("said", number, event_id=f"said-{number}")
    await handle.result()


SCENES = [
    Scene("hello", _run("hello", "hello"), "hello"),
    Scene(
        "order_saga",
        _run("order_saga", "place_order", ("Order", {"id": "order-1", "item": "a lamp", "address": "nowhere"})),
        "order_saga",
    ),
    Scene("human_approval", _approval, "human_approval"),
    Scene("eternal_counter", _counting, "eternal_counter"),
    Scene("ai_agent_loop", _agent, "ai_agent_loop"),
    Scene("versioning", _january, "versioning"),
    Scene("aws_order", _order, "aws_order"),
    Scene("archive_tree", _archive, "archive_tree"),
    Scene("custom_codec", _bill, "custom_codec", is_in_any_order=True),
    Scene("encrypted_payloads", _findings, "encrypted_payloads", is_sealed=True),
    Scene(
        "polling_monitor",
        _run("polling_monitor", "follow_parcel", "parcel-1", 3600.0, 90_000.0, "5d"),
        "polling_monitor",
    ),
    Scene(
        "child_workflows",
        _run("child_workflows", "send_order", {"lamp": "north", "rug": "flooded"}, id="order-1"),
        "child_workflows",
    ),
    Scene(
        "retries_and_timeouts",
        _run("retries_and_timeouts", "pay_invoice", "invoice-1", 9_900, 3, 0.0),
        "retries_and_timeouts",
    ),
    Scene(
        "fan_out_fan_in", _run("fan_out_fan_in", "bill_month", "2026-01", 12, 5), "fan_out_fan_in", is_in_any_order=True
    ),
    Scene("decisions", _kind(kinds.decisions, 1, id="decisions")),
    Scene("failing", _kind(kinds.failing, id="failing")),
    Scene("careful", _kind(kinds.careful, id="careful")),
    Scene("giving_up", _kind(kinds.giving_up, id="giving-up")),
    Scene("posting", _kind(kinds.posting, id="posting")),
    Scene("family", _kind(kinds.family, id="family")),
    Scene("parts", _kind(kinds.parts, 1, id="parts")),
    Scene("rounds", _rounds),
    Scene("held", _held),
    Scene("ended", _ended),
    Scene("rewound", _rewound),
    Scene("blocked", _blocked),
    Scene("sealed", _kind(kinds.lengthening, "secret ", id="sealed"), is_sealed=True),
    Scene("apart", _kind(kinds.lengthening, "long ", id="apart"), inline_bytes_max=1_000),
]
