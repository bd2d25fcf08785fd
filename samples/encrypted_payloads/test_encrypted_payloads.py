"""encrypted_payloads: what the store has of it, keys that are missing and come back, and what is never said."""

import base64
import os
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import pytest

from nexus_sdk import PayloadError, Secret, WorkflowFailed
from nexus_sdk.codec import Codec, CodecChain, Compression, Encryption, Keyring, MsgpackCodec
from nexus_sdk.core import events as e
from nexus_sdk.testing import WorkflowEnvironment

if find_spec("cryptography") is None and os.environ.get("NEXUS_REQUIRE_COMPONENTS") != "1":
    pytest.skip("it needs the extra `encryption`", allow_module_level=True)

OLD, NEW = bytes(range(32)), bytes(range(1, 33))

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("NEXUS_KEYS", "2026=" + base64.b64encode(OLD).decode())
    from encrypted_payloads import Patient, app, examine, report_findings, send_bill

BEFORE = app.codec
AFTER = CodecChain(Compression(), Encryption(Keyring({"2027": NEW, "2026": OLD}, primary="2027")))
TOO_EARLY = CodecChain(Compression(), Encryption({"2027": NEW}))

ADA = Patient("Ada Byron", date(1815, 12, 10))
CARD = Secret("A-1815")
READABLE = (b"Ada", b"1815", b"haemoglobin", b"Grace")


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/nexus.db"


def environment(store: str, codec: Codec = BEFORE) -> WorkflowEnvironment:
    """The workflow, served by whoever has the keys of this codec."""
    return WorkflowEnvironment([report_findings], [examine, send_bill], store=store, codec=codec)


def everything_in(folder: Path) -> bytes:
    """What lies on the disk: the database, and its log as long as it is open."""
    return b"".join(path.read_bytes() for path in folder.glob("nexus.db*") if path.is_file())


async def test_nothing_of_the_patient_is_in_the_store(store: str, tmp_path: Path):
    async with environment(store) as env:
        handle = await env.start(report_findings, ADA, CARD, id="case-1")
        await handle.send_event("signed", "Dr. Grace")
        assert await handle.result() == {
            "patient": "Ada Byron",
            "values": 30,
            "signed by": "Dr. Grace",
            "bill": "bill for case-1",
        }
        written = everything_in(tmp_path)
    assert [word for word in READABLE if word in written] == []
    assert b"case-1" in written  # so there was something to be found


async def test_findings_are_compressed_first(store: str):
    async with environment(store) as env:
        await env.start(report_findings, ADA, CARD, id="case-1")
        await env.settle()
        (findings,) = [one.result for one in await env.history("case-1") if isinstance(one, e.ActivityCompleted)]
        assert (findings.encoding, findings.size < 500) == ("msgpack+zlib+aes-gcm", True)


async def test_new_values_have_the_new_key_and_old_ones_stay_readable(store: str):
    async with environment(store) as env:
        await env.start(report_findings, ADA, CARD, id="case-1")
        await env.settle()
    async with environment(store, AFTER) as env:
        handle = env.get("case-1")
        await handle.send_event("signed", "Dr. Grace")
        assert (await handle.result())["patient"] == "Ada Byron"
        scheduled = [one for one in await env.history(handle) if isinstance(one, e.ActivityScheduled)]
        assert [one.arguments.key_id for one in scheduled] == ["2026", "2027"]


async def test_a_key_that_is_dropped_too_early_blocks_until_it_is_back(store: str):
    async with environment(store) as env:
        await env.start(report_findings, ADA, CARD, id="case-1")
        await env.settle()
    async with environment(store, TOO_EARLY) as env:
        handle = env.get("case-1")
        await handle.send_event("signed", "Dr. Grace")
        await env.settle()
        status = await handle.status()  # who has no key may look all the same
        assert (status.status, status.failure and status.failure.code) == ("blocked", "NX504")
        assert status.custom_status["key_id"] == "2026"
    async with environment(store, AFTER) as env:
        handle = env.get("case-1")
        await handle.resume()
        assert (await handle.result())["signed by"] == "Dr. Grace"
        assert (await handle.status()).custom_status == "the findings of Ada Byron wait for a signature"


async def test_a_failure_tells_nothing_but_in_its_details(store: str, capsys: pytest.CaptureFixture[str]):
    async with environment(store) as env:
        handle = await env.start(report_findings, ADA, Secret("B-52"), id="case-1")
        await handle.send_event("signed", "Dr. Grace")
        with pytest.raises(WorkflowFailed, match="the insurance has no such member"):
            await handle.result()
        said = f"{capsys.readouterr()} {env.said} {(await handle.status()).failure}"
    assert "Secret(…)" in said
    assert [word for word in ("B-52", "Ada", "1815") if word in said] == []


def test_without_encryption_the_secret_is_refused():
    with pytest.raises(PayloadError, match=r"\$\.member"):
        MsgpackCodec().encode({"patient": ADA, "member": CARD})


async def test_wherever_it_is_killed_it_comes_to_the_same_end():
    async def sign(env: WorkflowEnvironment, handle: object) -> None:
        await env.get("case-1").send_event("signed", "Dr. Grace")

    async with environment("memory://") as env:
        assert await env.crash_everywhere(report_findings, ADA, CARD, script=sign, id="case-1") > 5
