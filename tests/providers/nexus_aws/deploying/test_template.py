"""The template: what it has, and that CloudFormation would take it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nexus_aws.deploying.permissions import PERMISSIONS
from nexus_aws.deploying.platform import AWS, SETTINGS, AwsPlatform
from nexus_aws.deploying.template import template_of
from nexus_sdk.building.archive import Archive
from nexus_sdk.building.program import Program
from nexus_sdk.errors import BuildError
from tests.docs.pages import ROOT, Page, rows_of
from tests.providers.nexus_aws.conftest import REQUIRED
from tests.providers.nexus_aws.deploying.conftest import APP, MakeProgram, settings

WAREHOUSE = APP.replace("@activity\n", '@activity(task_queue="warehouse")\n')

EVERYTHING = (
    "python=3.13",
    "architecture=arm64",
    "memory=256",
    "timeout=120",
    "concurrency=5",
    "workers=heavy,gpu_large",
    "url=public",
    "log_days=7",
    "alarm_topic=arn:aws:sns:us-east-1:123456789012:alarms",
    "encryption=kms",
    "object_lock_days=7",
)


def resources(program: Program, *options: str, **more: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = template_of(program, settings(program, *options, **more))["Resources"]
    return found


def of_kind(found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == kind}


def everything_in(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping):
        for each in value.values():
            yield from everything_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from everything_in(each)


@pytest.mark.component
@pytest.mark.skipif(find_spec("cfnlint") is None and not REQUIRED, reason="pip install 'nexus-sdk[dev]'")
@pytest.mark.parametrize("options", [(), EVERYTHING, ("url=none",)], ids=["plain", "everything", "no url"])
def test_cfn_lint_finds_nothing(make_program: MakeProgram, tmp_path: Path, options: tuple[str, ...]) -> None:
    from cfnlint.api import lint

    program = make_program({"app.py": WAREHOUSE})
    found = settings(program, *options, stage="prod", variables=["GREETING=hello"])
    path = AWS.write_template(program, found, Archive(tmp_path, "", 0, 0, ()), tmp_path)
    assert [str(match) for match in lint(path.read_text(), regions=["us-east-1", "eu-central-1"])] == []


def test_what_holds_data_is_kept_protected_and_encrypted(program: Program) -> None:
    found = resources(program, stage="prod")
    for name in ("Table", "Bucket"):
        assert found[name]["DeletionPolicy"] == found[name]["UpdateReplacePolicy"] == "Retain"
    table, bucket = found["Table"]["Properties"], found["Bucket"]["Properties"]
    assert table["TableName"] == f"{program.name}-prod"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert "ObjectLockEnabled" not in bucket
    (statement,) = found["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_object_lock_and_kms_are_asked_for(program: Program) -> None:
    found = resources(program, "object_lock_days=90", "encryption=kms")
    bucket = found["Bucket"]["Properties"]
    assert bucket["ObjectLockConfiguration"]["Rule"] == {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 90}}
    assert found["Table"]["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_each_queue_has_dead_letters_and_feeds_the_function_in_part(make_program: MakeProgram) -> None:
    program = make_program({"app.py": WAREHOUSE})
    found = resources(program, "timeout=100", "concurrency=5")
    queues = of_kind(found, "AWS::SQS::Queue")
    assert {queue["QueueName"] for queue in queues.values()} == {
        f"app-dev-{name}" for name in ("nexus-dead", "nexus-turns", "queue-default", "queue-warehouse")
    }
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"]
        if name != "DeadLetters":
            assert queue["VisibilityTimeout"] == 600
            assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    sources = of_kind(found, "AWS::Lambda::EventSourceMapping").values()
    fed = {source["EventSourceArn"]["Fn::GetAtt"][0] for source in sources}
    assert fed == set(queues) - {"DeadLetters"}
    for source in sources:
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["ScalingConfig"] == {"MaximumConcurrency": 5}


def test_a_queue_of_workers_feeds_no_function(make_program: MakeProgram) -> None:
    found = resources(make_program({"app.py": WAREHOUSE}), "workers=warehouse,heavy")
    assert {"QueueWarehouse", "QueueHeavy"} <= set(of_kind(found, "AWS::SQS::Queue"))
    assert set(of_kind(found, "AWS::Lambda::EventSourceMapping")) == {"BellsSource", "QueueDefaultSource"}
    variables = found["Function"]["Properties"]["Environment"]["Variables"]
    assert variables["NEXUS_WORKER_QUEUES"] == "heavy,warehouse"


def test_queues_of_strange_names_have_logical_ids_of_their_own(make_program: MakeProgram) -> None:
    names = ["a-b", "a.b", "A-B", "ab", "größe", "x" * 80]
    activities = "".join(f"@activity(task_queue={n!r})\nasync def a{i}() -> None: ...\n" for i, n in enumerate(names))
    listed = ", ".join(f"a{i}" for i in range(len(names)))
    program = make_program({"app.py": APP + activities + f"app = Nexus(workflows=[fulfil], activities=[{listed}])\n"})
    queues = of_kind(resources(program), "AWS::SQS::Queue")
    assert len(queues) == 3 + len(names)
    assert all(name.isalnum() and name.isascii() for name in queues)
    assert len({queue["QueueName"] for queue in queues.values()}) == len(queues)


def test_the_role_may_do_what_is_listed_on_what_is_ours_and_nothing_else(program: Program) -> None:
    found = resources(program, "url=public", "workers=heavy")
    (policy,) = found["Role"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert sorted(action for one in statements for action in one["Action"]) == sorted(
        permission.action for permission in PERMISSIONS
    )
    assert not [action for one in statements for action in one["Action"] if "*" in action]
    for statement in statements:
        for resource in statement["Resource"]:
            (kind,) = resource
            assert kind in ("Fn::GetAtt", "Fn::Sub")  # something of this stack
            if kind == "Fn::Sub":
                assert resource[kind].startswith(("${Table.Arn}/index/", "${Bucket.Arn}/default/"))
    others = [p for p in of_kind(found, "AWS::IAM::Role").values() if "ManagedPolicyArns" in p]
    assert others == []


def test_the_function_knows_its_program_its_store_and_its_variables(program: Program) -> None:
    found = resources(program, "memory=512", "python=3.12", variables=["GREETING=hello", "NEXUS_STORE=mine"])
    function = found["Function"]["Properties"]
    assert (function["Runtime"], function["MemorySize"], function["Timeout"]) == ("python3.12", 512, 60)
    assert function["Handler"] == "nexus_aws.deployed.handler"
    assert function["Environment"]["Variables"] == {
        "GREETING": "hello",
        "NEXUS_APP": "app:app",
        "NEXUS_STORE": {"Fn::Sub": "dynamodb://${Table}?bucket=${Bucket}"},
    }
    assert function["Code"] == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}
    assert found["Log"]["Properties"]["RetentionInDays"] == 30
    assert found["Sweep"]["Properties"]["ScheduleExpression"] == "rate(1 minute)"


@pytest.mark.parametrize(("kind", "auth", "permissions"), [("iam", "AWS_IAM", 1), ("public", "NONE", 3)])
def test_who_may_call_the_url_is_a_setting(program: Program, kind: str, auth: str, permissions: int) -> None:
    found = resources(program, f"url={kind}")
    assert found["Url"]["Properties"]["AuthType"] == auth
    assert len(of_kind(found, "AWS::Lambda::Permission")) == permissions


def test_without_a_url_there_is_none(program: Program) -> None:
    assert "Url" not in resources(program, "url=none")


def test_alarms_look_at_what_should_not_stay_unnoticed_and_tell_the_topic(program: Program) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:alarms"
    alarms = of_kind(resources(program, f"alarm_topic={topic}"), "AWS::CloudWatch::Alarm")
    assert {alarm["MetricName"] for alarm in alarms.values()} == {
        f"{program.name}-dev-blocked",
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "Throttles",
        "Errors",
    }
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms.values())
    silent = of_kind(resources(program), "AWS::CloudWatch::Alarm")
    assert not [alarm for alarm in silent.values() if "AlarmActions" in alarm]


def test_what_costs_money_carries_the_tags(make_program: MakeProgram) -> None:
    configured = '[tool.nexus.aws.tags]\nteam = "sales"\n[tool.nexus.aws.stages.prod]\nmemory = 2048\n'
    program = make_program({"pyproject.toml": configured})
    found = resources(program, stage="prod")
    for name in ("Table", "Bucket", "Function", "Bells", "Log"):
        tags = {tag["Key"]: tag["Value"] for tag in found[name]["Properties"]["Tags"]}
        assert tags == {"team": "sales", "nexus:app": "app:app", "nexus:stage": "prod"}
    assert found["Function"]["Properties"]["MemorySize"] == 2048
    assert resources(program)["Function"]["Properties"]["MemorySize"] == 1024


def test_the_same_program_gives_the_same_template(program: Program, tmp_path: Path) -> None:
    archive = Archive(tmp_path, "", 0, 0, ())
    texts = {AWS.write_template(program, settings(program), archive, tmp_path).read_bytes() for _ in range(2)}
    assert len(texts) == 1
    assert json.loads(texts.pop())["Metadata"]["Nexus"]["workflows"] == ["fulfil"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("memory=64", "a whole number from 128 to 10240, got '64'"),
        ("memory=much", "a whole number"),
        ("architecture=i386", "one of x86_64, arm64"),
        ("log_days=2", "one of 1, 3, 5"),
        ("python=2.7", "one of"),
        ("memroy=512", "no setting 'memroy' of aws"),
        ("memory", "is no name=value"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(program: Program, option: str, said: str) -> None:
    with pytest.raises(BuildError, match=said):
        settings(program, option)


def test_the_page_explains_each_setting() -> None:
    rows = rows_of(Page(ROOT / "docs" / "how-to" / "deploy-to-aws.md"))
    names = {setting.name: setting.meaning for setting in SETTINGS}
    assert {row[0].strip("`"): row[2] for row in rows if len(row) == 3 and row[0].strip("`") in names} == names


def test_wheels_are_those_of_the_runtimes_libc(program: Program) -> None:
    old = AwsPlatform().target(settings(program, "python=3.11"))
    assert old.wheels == ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    new = AwsPlatform().target(settings(program, "python=3.13", "architecture=arm64"))
    assert (new.wheels[0], new.wheels[-1]) == ("manylinux_2_34_aarch64", "manylinux2014_aarch64")
    assert (new.machine, new.python) == ("aarch64", "3.13")
