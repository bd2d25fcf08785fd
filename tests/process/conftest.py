"""What these tests need of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def strace() -> str:
    """The path of strace, where it is there and may trace."""
    found = shutil.which("strace")
    works = found and subprocess.run([found, "-e", "trace=none", "true"], capture_output=True).returncode == 0
    if not found or not works:
        reason = "strace may not trace here" if found else "strace is not installed"
        if os.environ.get("NEXUS_REQUIRE_COMPONENTS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
