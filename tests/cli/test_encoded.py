"""Instances whose values need the codec of their app: what is shown without it, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

Nexus = Any

VAULT = """
from nexus_sdk import Context, Nexus, workflow
from nexus_sdk.codec import CodecChain, Encryption

@workflow
async def keep(ctx: Context, text: str):
    ctx.set_status({"holding": text})
    yield ctx.complete((yield ctx.wait_for_event("more")))

app = Nexus(workflows=[keep], codec=CodecChain(Encryption({"2026": bytes(32)})))
"""


@pytest.fixture(autouse=True)
def vault(folder: Path, nexus: Nexus) -> None:
    (folder / "vault.py").write_text(VAULT)
    started = nexus("start", "vault:keep", "--id", "v", "--input", '"s3cr3t"')
    assert started.exit_code == 0, started.stderr


@pytest.mark.parametrize("command", [("show", "v"), ("history", "--events", "v")])
def test_without_the_app_values_are_told_by_their_size_and_the_way_is_said(nexus: Nexus, command: Any) -> None:
    nexus("event", "v", "more", '"s3cr3t"', "--app", "vault")
    nexus("run", "vault:keep", "--id", "v")
    blind = nexus(*command)
    assert "bytes, msgpack+aes-gcm, key '2026'>" in blind.stdout
    assert "s3cr3t" not in blind.output
    assert blind.stderr == "Its values need the codec of its app: add --app MODULE.\n"
    seeing = nexus(*command, "--app", "vault")
    assert "s3cr3t" in seeing.stdout
    assert seeing.stderr == ""


def test_an_event_is_not_sent_in_a_form_that_its_workers_do_not_read(nexus: Nexus) -> None:
    sent = nexus("event", "v", "more", '"in the clear"')
    assert (sent.exit_code, sent.stdout) == (2, "")
    assert "Nothing was sent" in sent.stderr
    assert "--app MODULE" in sent.stderr
    assert "EventReceived" not in nexus("history", "--events", "v", "--app", "vault").stdout
