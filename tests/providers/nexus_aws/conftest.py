"""One emulator for all tests of a process; none: skipped, or failed where components are required."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

REQUIRED = os.environ.get("NEXUS_REQUIRE_COMPONENTS") == "1"


@pytest.fixture(scope="session")
def cloud() -> Iterator[object]:
    """The emulator; ends with the tests."""
    missing = [name for name in ("moto", "botocore", "localstack_client", "flask") if find_spec(name) is None]
    if missing and not REQUIRED:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'nexus-sdk[dev]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("moto_server.py")
    process = subprocess.Popen([sys.executable, str(script), str(port)], stdin=subprocess.PIPE)
    patch = pytest.MonkeyPatch()
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/moto-api/", process)
        patch.setenv("LOCALSTACK_HOST", f"127.0.0.1:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "nobody")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.delenv("AWS_PROFILE", raising=False)
        from localstack_client.config import get_service_endpoint

        from tests.providers.nexus_aws.cloud import Cloud

        yield Cloud(get_service_endpoint("dynamodb"))
    finally:
        patch.undo()
        if process.stdin is not None:
            process.stdin.close()
        process.wait(10)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the emulator does not answer")
