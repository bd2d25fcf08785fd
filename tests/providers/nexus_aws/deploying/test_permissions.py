"""The role's policy against what the function asks of AWS, both ways: all is allowed, and nothing is allowed in vain.

What it does here is what functions do: starts, turns, large values, wide fan-outs, sweeps, dead letters, lists.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from random import Random
from typing import Any

import pytest

from nexus_aws import lambda_handler
from nexus_aws.deploying.functions import statements
from nexus_aws.deploying.names import served_queues
from nexus_aws.deploying.permissions import PERMISSIONS, On
from nexus_aws.function import Function
from nexus_aws.store import AwsStore
from nexus_sdk import Nexus
from nexus_sdk.building.program import Program
from tests.docs.pages import ROOT, Page, rows_of
from tests.providers.nexus_aws.cloud import Cloud, now
from tests.providers.nexus_aws.deploying.conftest import ACCOUNT, REGION, Deploy, MakeProgram, Said, settings
from tests.providers.nexus_aws.pump import Pump, sync

pytestmark = pytest.mark.component

WORK = """
import asyncio
from nexus_sdk import Context, Nexus, activity, workflow

@activity
async def double(n: int) -> int:
    return 2 * n

@activity(task_queue="slow")
def large(size: int) -> str:
    return "x" * size

@activity
async def endless() -> None:
    await asyncio.Event().wait()

@workflow
async def waiting(ctx: Context) -> None:
    await endless()

@workflow
async def child(ctx: Context, n: int) -> int:
    await ctx.sleep("1h")
    return n

@workflow
async def work(ctx: Context, width: int, size: int) -> int:
    doubled = await ctx.map(double, range(width))
    texts = await ctx.gather(*(large(size) for _ in range(2)))
    ctx.spawn(child(1))
    for _ in range(3):
        await ctx.wait_for_event("go")
    return sum(doubled) + sum(map(len, texts))

app = Nexus(workflows=[work, child, waiting], activities=[double, large, endless])
"""

LAMBDAS_OWN = {
    (On.SERVED_QUEUES, "sqs:ReceiveMessage"),
    (On.SERVED_QUEUES, "sqs:DeleteMessage"),
    (On.SERVED_QUEUES, "sqs:GetQueueAttributes"),
    (On.LOG, "logs:CreateLogStream"),
    (On.LOG, "logs:PutLogEvents"),
}
"""What AWS documents that Lambda does in the role's name: feed a function from SQS, and write its log."""

Asked = tuple[str, str]
"""An action, and the ARN of what it is asked for."""


class Recording:
    """Passes requests on, and keeps which actions each of them needs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.asked: dict[Asked, set[str]] = defaultdict(set)

    async def __call__(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        for one in needed(service, operation, parameters):
            self.asked[one].add(operation)
        return await self._cloud(service, operation, parameters)


def needed(service: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[Asked]:
    """The actions that AWS checks for a request, by its documentation."""
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            for item in parameters["TransactItems"]:
                ((kind, write),) = item.items()
                action = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
                yield f"dynamodb:{action}", table_arn(write["TableName"])
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            for table in parameters["RequestItems"]:
                yield f"dynamodb:{operation}", table_arn(table)
        case "dynamodb", _:
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            yield f"dynamodb:{operation}", table_arn(parameters["TableName"]) + index
        case "sqs", _:
            name = parameters.get("QueueName") or parameters["QueueUrl"].rpartition("/")[2]
            yield f"sqs:{operation.removesuffix('Batch')}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        case "s3", "GetObject" | "PutObject":
            yield f"s3:{operation}", f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"
            if operation == "GetObject":  # else an object that is not there is refused, and not missing
                yield "s3:ListBucket", f"arn:aws:s3:::{parameters['Bucket']}"
        case _:
            raise AssertionError(f"the policy does not know {service}:{operation}")


def table_arn(table: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"


def policy_of(program: Program) -> list[tuple[str, str]]:
    """The policy's actions and resources, with the names of the stack put in."""
    wanted = settings(program)
    served = served_queues(program, wanted)
    arns = {logical: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for logical, name in served.items()}
    title = wanted.title
    arns |= {
        "DeadLetters": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{title}-nexus-dead",
        "Table": table_arn(title),
        "Bucket": f"arn:aws:s3:::{title}-{ACCOUNT}-{REGION}",
        "Log": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/{title}:*",
    }

    def resolved(resource: Mapping[str, Any]) -> str:
        if "Fn::GetAtt" in resource:
            return arns[resource["Fn::GetAtt"][0]]
        text: str = resource["Fn::Sub"]
        for logical, arn in arns.items():
            text = text.replace(f"${{{logical}.Arn}}", arn)
        return text

    return [
        (action, resolved(resource))
        for statement in statements(served, wanted)
        for action in statement["Action"]
        for resource in statement["Resource"]
    ]


class Invocation:
    """What Lambda tells about an invocation."""

    seconds = 60.0

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1_000)


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    now.set(0)
    return make_program({"work.py": WORK, "pyproject.toml": '[tool.nexus]\nname = "permitted"\n'}, "work")


@pytest.fixture
def recorded(cloud: Cloud, program: Program, deployment: Deploy, said: Said) -> dict[Asked, set[str]]:
    """What the function of a deployed stack asks, by the actions that it needs."""
    deployment().apply(said)
    recording = Recording(cloud)
    bucket = f"permitted-dev-{ACCOUNT}-{REGION}"
    registry = program.app.registry
    parts = {"workflows": registry.workflows.values(), "activities": registry.activities.values()}

    def opened(call: Any) -> AwsStore:
        return AwsStore("permitted-dev", bucket, call, poll_seconds=0.05)

    def function() -> Function:
        return lambda_handler(Nexus(opened(recording), **parts))

    theirs = opened(cloud)
    warm = function()

    invocation = Invocation()

    def invoke(event: Any, *_: Any) -> Any:
        return warm(event, invocation)

    pump = Pump(cloud, theirs, invoke, ("nexus:turns", "default", "slow"), Random(1), now_us=0)
    for id, width, size in (("wide", 120, 10), ("large", 2, 100_000)):
        arguments = {"width": width, "size": size}
        assert invoke({"action": "start", "workflow": "work", "id": id, "arguments": arguments}) == {"id": id}
    invoke({"action": "event", "id": "wide", "name": "go"})
    for _ in range(110):  # more than a write takes away at once
        invoke({"action": "event", "id": "large", "name": "other"})
    while pump.round():
        pass
    invoke({"action": "start", "workflow": "waiting", "id": "waiting"})
    invocation.seconds = 0.5  # too little for what never ends: it is given back, by its message from the second time on
    assert [pump.round() for _ in range(3)] == [1, 1, 1]
    invoke({"action": "terminate", "id": "waiting"})
    invocation.seconds = 60.0
    while pump.round():
        pass
    warm.close()
    warm = function()  # a container that knows nothing
    dead = theirs.sqs
    body = json.dumps(["wide", "", 0, 0, 1, "nexus:turns"])
    sync(dead._call("sqs", "SendMessage", {"QueueUrl": sync(dead._url("nexus:dead")), "MessageBody": body}))
    sweep = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    invoke(sweep)
    for id in ("wide", "large"):
        for _ in range(3):
            invoke({"action": "event", "id": id, "name": "go"})
        while pump.round():
            pass
        result = invoke({"action": "result", "id": id, "wait": "1s"})
        assert result["status"] == "completed", result
        invoke({"action": "history", "id": id})
    assert len(invoke({"action": "list"})["instances"]) >= 2
    invoke(sweep)
    warm.close()
    return recording.asked


def test_all_that_is_asked_is_allowed_and_all_that_is_allowed_is_asked(
    recorded: dict[Asked, set[str]], program: Program
) -> None:
    policy = policy_of(program)
    refused = [
        one for one in recorded if not any(one[0] == action and fnmatchcase(one[1], arn) for action, arn in policy)
    ]
    assert refused == []

    def on(arn: str) -> set[On]:
        """What an ARN is, in the words of the list."""
        ends = {":table/permitted-dev": On.TABLE, "-nexus-dead": On.DEAD_QUEUE, f"-{REGION}": On.BUCKET}
        for end, kind in ends.items():
            if arn.endswith(end):
                return {kind}
        if "/index/" in arn:
            return {On.INDEXES}
        return {On.OBJECTS} if arn.startswith("arn:aws:s3") else {On.QUEUES, On.SERVED_QUEUES}

    needing: dict[tuple[On, str], set[str]] = defaultdict(set)
    for (action, arn), operations in recorded.items():
        for kind in on(arn):
            needing[kind, action] |= operations
    for permission in PERMISSIONS:
        key = (permission.on, permission.action)
        if key in LAMBDAS_OWN:
            assert permission.operations == ()
        else:
            assert needing[key], f"nobody needs {permission.action} on {permission.on}"
            assert needing[key] <= set(permission.operations), f"{permission.action} on {permission.on}"
    assert set(LAMBDAS_OWN) <= {(one.on, one.action) for one in PERMISSIONS}


@pytest.mark.parametrize("left_out", PERMISSIONS, ids=lambda one: f"{one.action} on {one.on}")
def test_each_permission_stands_once_and_says_why(left_out: Any) -> None:
    same = [one for one in PERMISSIONS if (one.action, one.on) == (left_out.action, left_out.on)]
    assert same == [left_out]
    assert left_out.reason


def test_the_page_explains_each_permission() -> None:
    rows = rows_of(Page(ROOT / "docs" / "how-to" / "deploy-to-aws.md"))
    explained = [tuple(row) for row in rows if len(row) == 4 and row[0].startswith("`") and ":" in row[0]]
    expected = [
        (f"`{one.action}`", str(one.on), ", ".join(f"`{name}`" for name in one.operations) or "Lambda", one.reason)
        for one in PERMISSIONS
    ]
    assert explained == expected
