"""A deployment on the emulator: made, changed, left alone, taken away; and what is refused before it is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from nexus_aws.deploying import deployment as deploying
from nexus_aws.deploying.account import Account
from nexus_aws.deploying.template import template_of
from nexus_sdk.building.platform import Action
from nexus_sdk.building.program import Program
from nexus_sdk.errors import DataAtRisk, NameTaken
from tests.providers.nexus_aws.deploying.conftest import (
    ACCOUNT,
    APP,
    REGION,
    Deploy,
    MakeProgram,
    Said,
    lines,
    settings,
)

pytestmark = pytest.mark.component

ARTIFACTS = f"nexus-artifacts-{ACCOUNT}-{REGION}"


def function_of(account: Account, title: str) -> Mapping[str, Any]:
    return account.ask("lambda", "GetFunctionConfiguration", FunctionName=title)


def test_a_first_deployment_makes_it_all_and_says_where_it_is(
    deployment: Deploy, account: Account, program: Program, said: Said
) -> None:
    title = f"{program.name}-prod"
    done = deployment("code", "memory=512", stage="prod", variables=["GREETING=hello"]).apply(said)
    assert (done.title, done.place) == (title, f"account {ACCOUNT}, {REGION}")
    assert done.url.startswith("https://")
    assert done.store == f"dynamodb://{title}?region={REGION}&bucket={title}-{ACCOUNT}-{REGION}"
    assert done.request.startswith(
        f"curl -X POST '{done.url}/workflows/fulfil' --aws-sigv4 \"aws:amz:{REGION}:lambda\""
    )
    function = function_of(account, title)
    assert function["MemorySize"] == 512
    assert function["Environment"]["Variables"]["GREETING"] == "hello"
    protected = account.ask("dynamodb", "DescribeTable", TableName=title)["Table"]["DeletionProtectionEnabled"]
    assert protected
    assert done.outputs["Store"] == done.store  # for whoever looks at the stack
    assert "Creating the stack" in lines(said)
    assert f"  {title}: create complete" in said


def test_a_plan_changes_nothing_and_needs_nothing_to_be_there(
    deployment: Deploy, account: Account, program: Program, said: Said
) -> None:
    plan = deployment().plan()
    assert plan.is_new
    assert {change.action for change in plan.changes} == {Action.ADD}
    assert {"Table", "Function", "Url"} <= {change.name for change in plan.changes}
    assert account.ask("cloudformation", "DescribeStacks")["Stacks"] == [] or all(
        stack["StackName"] != f"{program.name}-dev"
        for stack in account.ask("cloudformation", "DescribeStacks")["Stacks"]
    )
    deployment().apply(said)  # and the plan is not in its way


def test_the_same_again_changes_nothing(deployment: Deploy, account: Account, said: Said) -> None:
    first = deployment().apply(said)
    assert deployment().plan().changes == ()
    said.clear()
    again = deployment().apply(said)
    assert said == ["Nothing is to be changed."]
    assert again == first


def test_new_code_and_new_settings_change_the_function_and_leave_the_data(
    deployment: Deploy, account: Account, program: Program, said: Said
) -> None:
    title = f"{program.name}-dev"
    deployment("old").apply(said)
    account.ask("dynamodb", "PutItem", TableName=title, Item={"pk": {"S": "a"}, "sk": {"S": "b"}})
    plan = deployment("new", "memory=256").plan()
    assert not plan.is_new
    assert "Function" in {change.name for change in plan.changes}
    assert {change.action for change in plan.changes} == {Action.CHANGE}
    before = function_of(account, title)
    deployment("new", "memory=256").apply(said)
    after = function_of(account, title)
    assert (before["MemorySize"], after["MemorySize"]) == (1024, 256)
    assert before["CodeSha256"] != after["CodeSha256"]
    assert account.ask("dynamodb", "Scan", TableName=title)["Count"] == 1


def test_without_a_url_nothing_is_said_of_one(deployment: Deploy, said: Said) -> None:
    done = deployment("code", "url=none").apply(said)
    assert (done.url, done.request) == ("", "")


def test_stages_stand_beside_each_other(deployment: Deploy, program: Program, said: Said) -> None:
    dev, prod = deployment(stage="dev").apply(said), deployment(stage="prod").apply(said)
    assert (dev.title, prod.title) == (f"{program.name}-dev", f"{program.name}-prod")
    assert dev.store != prod.store
    assert deployment(stage="dev").store_url() == dev.store
    assert deployment(stage="test").store_url() is None


def test_the_code_is_uploaded_once_and_old_code_is_forgotten(
    deployment: Deploy, account: Account, program: Program, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploying, "KEPT_BUILDS", 2)
    deployment("code").apply(said)
    deployment("code", "memory=256").apply(said)
    assert sum(line.startswith("Uploaded") for line in said) == 1
    for number in range(3):
        deployment(f"code {number}").apply(said)
    listed = account.ask("s3", "ListObjectsV2", Bucket=ARTIFACTS, Prefix=f"{program.name}-dev/")
    assert listed["KeyCount"] == 2
    block = account.ask("s3", "GetPublicAccessBlock", Bucket=ARTIFACTS)["PublicAccessBlockConfiguration"]
    assert all(block.values())


def test_a_large_template_is_uploaded_too(
    deployment: Deploy, account: Account, program: Program, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploying, "BODY_BYTES_MAX", 1_000)
    done = deployment().apply(said)
    body = account.ask("cloudformation", "GetTemplate", StackName=done.title)["TemplateBody"]
    assert json.loads(json.dumps(body)) == template_of(program, settings(program))


def test_one_names_a_bucket_for_the_code(deployment: Deploy, account: Account, said: Said) -> None:
    with pytest.raises(NameTaken, match="There is no bucket 'our-builds'"):
        deployment("code", "artifact_bucket=our-builds").apply(said)
    account.ask("s3", "CreateBucket", Bucket="our-builds")
    deployment("code", "artifact_bucket=our-builds").apply(said)
    assert account.ask("s3", "ListObjectsV2", Bucket="our-builds")["KeyCount"] == 1


# --- taking it away ---------------------------------------------------------------------------------------------------


def test_what_is_destroyed_keeps_its_data(deployment: Deploy, account: Account, program: Program, said: Said) -> None:
    title = f"{program.name}-dev"
    deployment().apply(said)
    done = deployment().destroy(said, deletes_data=False)
    assert (done.was_there, list(done.erased)) == (True, [])
    assert list(done.kept) == [f"table {title}", f"bucket {title}-{ACCOUNT}-{REGION}"]
    assert account.ask("dynamodb", "DescribeTable", TableName=title)["Table"]["TableStatus"] == "ACTIVE"
    assert deployment().store_url() is None
    assert account.ask("s3", "ListObjectsV2", Bucket=ARTIFACTS, Prefix=f"{title}/")["KeyCount"] == 0
    again = deployment().destroy(said, deletes_data=False)
    assert (again.was_there, again.kept) == (False, done.kept)


def test_data_is_erased_when_it_is_asked_for_with_all_its_versions(
    deployment: Deploy, account: Account, program: Program, said: Said
) -> None:
    bucket = f"{program.name}-dev-{ACCOUNT}-{REGION}"
    deployment().apply(said)
    for body in (b"1", b"2"):
        account.ask("s3", "PutObject", Bucket=bucket, Key="default/order-1/aa", Body=body)
    account.ask("s3", "DeleteObject", Bucket=bucket, Key="default/order-1/aa")
    done = deployment().destroy(said, deletes_data=True)
    assert list(done.erased) == [f"table {program.name}-dev", f"bucket {bucket}"]
    nothing = deployment().destroy(said, deletes_data=True)
    assert (nothing.was_there, list(nothing.kept), list(nothing.erased)) == (False, [], [])


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_stack_of_somebody_else_is_left_alone(
    deployment: Deploy, account: Account, program: Program, said: Said
) -> None:
    queue = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}}}
    title = f"{program.name}-dev"
    account.ask("cloudformation", "CreateStack", StackName=title, TemplateBody=json.dumps(queue))
    for change in (
        lambda: deployment().apply(said),
        lambda: deployment().plan(),
        lambda: deployment().destroy(said, deletes_data=True),
    ):
        with pytest.raises(NameTaken, match="which `nexus deploy` has not made"):
            change()
    assert account.ask("cloudformation", "DescribeStacks", StackName=title)["Stacks"][0]["StackStatus"] == (
        "CREATE_COMPLETE"
    )


def test_another_program_of_the_same_name_is_refused(
    deployment: Deploy, make_program: MakeProgram, program: Program, said: Said
) -> None:
    deployment().apply(said)
    other = make_program({"other.py": APP.replace("fulfil", "invoice")}, "other")
    with pytest.raises(NameTaken, match="it has the workflow 'fulfil', and other:app has none"):
        deployment(of=other).apply(said)
    more = make_program({"more.py": APP + "\n@workflow\nasync def more(ctx: Context): yield\n"}, "more")
    assert deployment(of=more).plan().changes  # it has grown, and its module has another name


def test_a_change_that_would_replace_what_holds_data_is_not_made(
    deployment: Deploy, account: Account, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment("old").apply(said)
    asked: list[str] = []
    ask = Account.ask

    def replacing(self: Account, service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:
        asked.append(operation)
        reply = dict(ask(self, service, operation, **parameters))
        if operation == "DescribeChangeSet":  # as CloudFormation says it; the emulator never does
            target = {"Attribute": "Properties", "Name": "ObjectLockEnabled", "RequiresRecreation": "Always"}
            change = {"Action": "Modify", "Replacement": "True", "Details": [{"Target": target}]}
            change |= {"LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket"}
            reply["Changes"] = [{"Type": "Resource", "ResourceChange": change}]
        return reply

    monkeypatch.setattr(Account, "ask", replacing)
    with pytest.raises(DataAtRisk, match="would replace Bucket") as told:
        deployment("new", "object_lock_days=3").apply(said)
    assert "ObjectLockEnabled" in told.value.hint
    assert "ExecuteChangeSet" not in asked
    assert "DeleteChangeSet" in asked
