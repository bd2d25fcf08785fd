"""For each code of building and deploying one way to get it, without a cloud: what AWS says is scripted."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import NoCredentialsError

from nexus_aws.deploying.account import Account, _told, refusal
from nexus_aws.deploying.deployment import AwsDeployment
from nexus_aws.deploying.platform import AWS, SETTINGS
from nexus_aws.deploying.stack import Proposal, Stack
from nexus_sdk.building.archive import Archive
from nexus_sdk.building.build import build
from nexus_sdk.building.platform import find_platform
from nexus_sdk.building.program import Program, program_in
from nexus_sdk.building.rehearsal import rehearse
from nexus_sdk.building.settings import Settings, settings_of
from nexus_sdk.errors import NexusError
from nexus_sdk.testing import WorkflowEnvironment
from tests.building.here import install_little
from tests.mistakes.bench import Bench
from tests.providers.nexus_aws.deploying.played import Played, event, stack_in

APP = """from nexus_sdk import Context, Nexus, workflow
import httpx

@workflow
async def fulfil(ctx: Context):
    approved = await ctx.wait_for_event("approved")
    return approved

app = Nexus(workflows=[fulfil])
"""


def _program(bench: Bench, name: str, text: str) -> Program:
    """A program in the folder, as if what it imports were installed here."""
    (bench.folder / f"{name}.py").write_text(text)
    with patch.object(sys, "path", [str(bench.folder), *sys.path]), patch.dict(sys.modules, httpx=SimpleNamespace()):
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        del sys.modules[name]
    return program_in(module, module.app)


def _settings(program: Program) -> Settings:
    return settings_of(program, "aws", SETTINGS, name="orders")


def _deployment(bench: Bench, account: Account) -> AwsDeployment:
    program = _program(bench, "app", APP)
    return AwsDeployment(account, program, _settings(program), Archive(Path("orders.zip"), "00", 0, 0, ()))


def _raised(do: Callable[[Bench], Any]) -> Callable[[Bench], Awaitable[str]]:
    async def make(bench: Bench) -> str:
        try:
            result = do(bench)
            if isinstance(result, Exception):
                raise result
        except NexusError as error:
            return str(error).replace(str(bench.folder), "/data")
        raise AssertionError(f"nothing was raised: {result!r}")

    return make


def _imports_what_nothing_brings(bench: Bench) -> None:
    program = _program(bench, "app", APP)
    build(program, AWS.target(_settings(program)), bench.folder / "orders.zip", run=install_little)


def _fails(bench: Bench) -> None:
    said = 'Resource handler returned message: "MemorySize is not valid"'
    played = Played(
        DescribeStacks=[stack_in("UPDATE_ROLLBACK_COMPLETE")],
        DescribeStackEvents=[{"StackEvents": [event("UPDATE_FAILED", "Function", said)]}],
    )
    Stack(played, "orders-dev").execute(Proposal("arn:change", False, ()), lambda line: None)


def _has_no_region(bench: Bench) -> None:
    account = Account()
    account.__dict__["_session"] = SimpleNamespace(get_config_variable=lambda name: None)
    with patch.dict(os.environ):
        os.environ.pop("AWS_REGION", None)
        assert account.region


def _may_not(bench: Bench) -> Exception:
    said = "User: arn:aws:iam::123456789012:user/anna is not authorized to perform: cloudformation:CreateChangeSet"
    return refusal("cloudformation:CreateChangeSet", "AccessDenied", said)


def _is_taken(bench: Bench) -> None:
    _deployment(bench, Played(DescribeStacks=[stack_in("CREATE_COMPLETE", Tags=[])])).plan()


def _was_never_made(bench: Bench) -> None:
    Stack(Played(DescribeStacks=[stack_in("ROLLBACK_COMPLETE")]), "orders-dev").propose({}, {}, {})


def _would_replace(bench: Bench) -> None:
    target = {"Name": "ObjectLockEnabled"}
    change = {"Action": "Modify", "Replacement": "True", "Details": [{"Target": target}]}
    change |= {"LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket"}
    played = Played(
        DescribeStacks=[stack_in("CREATE_COMPLETE", Tags=[{"Key": "nexus:app", "Value": "app:app"}])],
        GetTemplate=[{"TemplateBody": "{}"}],
        CreateChangeSet=[{"Id": "arn:change"}],
        DescribeChangeSet=[{"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}],
    )
    _deployment(bench, played).plan()


async def _would_block(bench: Bench) -> str:
    url = f"sqlite:///{bench.folder}/deployed.db"
    old = _program(bench, "orders", APP)
    (fulfil,) = old.app.registry.workflows.values()
    async with WorkflowEnvironment([fulfil], store=url) as env:
        await env.start(fulfil, id="order-42")
        await env.settle()
    new = _program(bench, "orders", APP.replace('ctx.wait_for_event("approved")', 'ctx.sleep("1h")'))
    try:
        await asyncio.to_thread(rehearse, new.app, url)
    except NexusError as error:
        return str(error)
    raise AssertionError("nothing was raised")


EXAMPLES: Mapping[str, Callable[[Bench], Awaitable[str]]] = {
    "NX811": _raised(_imports_what_nothing_brings),
    "NX812": _raised(lambda bench: find_platform("azure")),
    "NX820": _raised(_fails),
    "NX821": _raised(lambda bench: _told("sts", "GetCallerIdentity", NoCredentialsError(), "eu-central-1")),
    "NX822": _raised(_has_no_region),
    "NX823": _raised(_may_not),
    "NX824": _raised(_is_taken),
    "NX825": _raised(_was_never_made),
    "NX826": _raised(_would_replace),
    "NX827": _would_block,
}
