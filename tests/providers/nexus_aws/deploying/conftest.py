"""Programs, an account on the emulator, and deployments that nobody waits for."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nexus_aws.deploying.account import Account
from nexus_aws.deploying.deployment import AwsDeployment
from nexus_aws.deploying.platform import SETTINGS
from nexus_sdk.building.archive import Archive
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Settings, settings_of
from tests.building.conftest import APP, MakeProgram, make_program
from tests.providers.nexus_aws.cloud import Cloud

__all__ = ["APP", "MakeProgram", "make_program"]

REGION = "us-east-1"
ACCOUNT = "123456789012"

_numbers = count(1)


def settings(program: Program, *options: str, stage: str = "dev", name: str | None = None, **more: Any) -> Settings:
    """The settings of a deployment, as if they were typed."""
    return settings_of(program, "aws", SETTINGS, name=name, stage=stage, options=options, **more)


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """A program whose name no other test has."""
    return make_program({"pyproject.toml": f'[tool.nexus]\nname = "orders{next(_numbers)}"\n'})


@pytest.fixture
def account(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Account:
    """On the emulator; waiting takes no time."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    return Account(REGION, pause=lambda seconds: None)


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[str], Archive]:
    """Makes artifacts that differ by a word, and have nothing in them."""

    def make(word: str) -> Archive:
        path = tmp_path / f"{word}.zip"
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr(zipfile.ZipInfo("app.py"), f"# {word}")
        return Archive(path, sha256(path.read_bytes()).hexdigest(), path.stat().st_size, len(word), ())

    return make


Deploy = Callable[..., AwsDeployment]


@pytest.fixture
def deployment(account: Account, program: Program, archive: Callable[[str], Archive]) -> Deploy:
    """The deployment of the program: ``deployment("new code", "memory=512", stage="prod")``."""

    def make(word: str = "code", *options: str, of: Program | None = None, **more: Any) -> AwsDeployment:
        deployed = of or program
        return AwsDeployment(account, deployed, settings(deployed, *options, **more), archive(word))

    return make


class Said(list[str]):
    """What was told meanwhile."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def said() -> Said:
    return Said()


def lines(said: Sequence[str]) -> str:
    return "\n".join(said)
