"""What AWS refuses, in our words: credentials, region, rights, names, states of stacks. A script plays AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nexus_aws.deploying.account import Account, Refused, refusal
from nexus_aws.deploying.artifacts import Artifacts
from nexus_aws.deploying.stack import Proposal, Stack
from nexus_sdk.errors import (
    CredentialsMissing,
    DeployError,
    NameTaken,
    NotDeployable,
    PlatformMissing,
    RegionMissing,
    RightsMissing,
)
from tests.providers.nexus_aws.deploying.played import ABSENT, Played, event, stack_in

# --- who deploys ------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Nothing says who it is, or where."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("nobody")
def test_without_credentials_one_is_told_how_to_get_some() -> None:
    with pytest.raises(CredentialsMissing, match="no credentials") as told:
        Account("eu-central-1").ask("sts", "GetCallerIdentity")
    assert "aws configure" in told.value.hint


@pytest.mark.usefixtures("nobody")
def test_without_a_region_one_is_told_how_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RegionMissing, match="which region"):
        Account().ask("sts", "GetCallerIdentity")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Account().region == "eu-west-1"


@pytest.mark.usefixtures("nobody")
def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CredentialsMissing, match="nobody"):
        Account("eu-central-1").ask("sts", "GetCallerIdentity")


def test_a_place_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # botocore's, between its attempts
    with pytest.raises(DeployError, match="cannot be reached"):
        Account("eu-central-1").ask("sts", "GetCallerIdentity")


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)
    with pytest.raises(PlatformMissing, match="needs boto3") as told:
        Account("eu-central-1").ask("sts", "GetCallerIdentity")
    assert told.value.hint == 'pip install "nexus-sdk[aws]"'


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredToken", CredentialsMissing),
        ("InvalidClientTokenId", CredentialsMissing),
        ("SignatureDoesNotMatch", CredentialsMissing),
        ("AccessDenied", RightsMissing),
        ("403", RightsMissing),
        ("AccessDeniedException", RightsMissing),
        ("ThrottlingException", Refused),
    ],
)
def test_a_refusal_is_told_by_its_code(code: str, kind: type[DeployError]) -> None:
    assert type(refusal("cloudformation:CreateChangeSet", code, "why")) is kind


def test_missing_rights_name_the_action() -> None:
    message = "User: arn:aws:iam::1:user/anna is not authorized to perform: iam:CreateRole on resource: role x"
    told = refusal("cloudformation:CreateStack", "ValidationError", message)
    assert type(told) is RightsMissing
    assert told.message.startswith("You may not do iam:CreateRole: ")


# --- the state of the stack -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "what", "next_step"),
    [
        ("ROLLBACK_COMPLETE", "takes no change: Role: no", "nexus destroy aws"),
        ("ROLLBACK_FAILED", "takes no change", "nexus destroy aws"),
        ("CREATE_FAILED", "takes no change", "nexus destroy aws"),
        ("UPDATE_ROLLBACK_FAILED", "takes no change", "continue-update-rollback --stack-name orders-dev"),
        ("DELETE_FAILED", "takes no change", "Destroy it again"),
        ("UPDATE_IN_PROGRESS", "by somebody else", "Try again"),
        ("DELETE_IN_PROGRESS", "by somebody else", "Try again"),
    ],
)
def test_a_stack_that_takes_no_change_is_told_with_the_way_out(status: str, what: str, next_step: str) -> None:
    played = Played(
        DescribeStacks=[stack_in(status)],
        DescribeStackEvents=[{"StackEvents": [event("CREATE_FAILED", "Role", "no")]}],
    )
    with pytest.raises(NotDeployable, match=what) as told:
        Stack(played, "orders-dev").propose({}, {}, {})
    assert next_step in told.value.hint
    assert "CreateChangeSet" not in played.asked


@pytest.mark.parametrize(("status", "kind"), [("REVIEW_IN_PROGRESS", "CREATE"), ("UPDATE_ROLLBACK_COMPLETE", "UPDATE")])
def test_a_stack_that_was_never_born_or_was_rolled_back_is_changed(status: str, kind: str) -> None:
    asked: list[Any] = []

    class Watching(Played):
        def ask(self, service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:
            if operation == "CreateChangeSet":
                asked.append(parameters["ChangeSetType"])
                assert parameters["ImportExistingResources"]  # what an earlier stack has kept is found again
            return super().ask(service, operation, **parameters)

    described = {"Status": "CREATE_COMPLETE", "Changes": []}
    played = Watching(
        DescribeStacks=[stack_in(status)],
        CreateChangeSet=[{"Id": "arn:change"}],
        DescribeChangeSet=[{"Status": "CREATE_PENDING"}, {"Status": "CREATE_IN_PROGRESS"}, described],
    )
    assert Stack(played, "orders-dev").propose({}, {}, {}).id == "arn:change"
    assert asked == [kind]


def test_a_change_set_without_changes_is_none_and_is_withdrawn() -> None:
    reason = "The submitted information didn't contain changes. Submit different information to create a change set."
    played = Played(
        DescribeStacks=[stack_in("CREATE_COMPLETE")],
        CreateChangeSet=[{"Id": "arn:change"}],
        DescribeChangeSet=[{"Status": "FAILED", "StatusReason": reason}],
    )
    assert Stack(played, "orders-dev").propose({}, {}, {}) == Proposal(None, False, ())
    assert "DeleteChangeSet" in played.asked
    assert "DeleteStack" not in played.asked


def test_a_first_change_set_that_fails_leaves_no_empty_stack() -> None:
    played = Played(
        DescribeStacks=[ABSENT],
        CreateChangeSet=[{"Id": "arn:change"}],
        DescribeChangeSet=[{"Status": "FAILED", "StatusReason": "Template error: no"}],
    )
    with pytest.raises(DeployError, match="Template error: no"):
        Stack(played, "orders-dev").propose({}, {}, {})
    assert played.asked[-1] == "DeleteStack"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("orders-dev already exists in stack arn:other", NameTaken),
        ("User: anna is not authorized to perform: iam:CreateRole", RightsMissing),
        ("The runtime parameter of python2.7 is no longer supported", DeployError),
    ],
)
def test_a_change_that_fails_is_told_by_its_first_reason(reason: str, kind: type[DeployError]) -> None:
    events = [
        event("ROLLBACK_IN_PROGRESS", "orders-dev", "The following resource(s) failed to create: [Role].", 4),
        event("CREATE_FAILED", "Table", "Resource creation cancelled", 3),
        event("CREATE_FAILED", "Role", reason, 2),
        event("CREATE_IN_PROGRESS", "Role", "", 1),
    ]
    played = Played(
        DescribeStacks=[stack_in("CREATE_IN_PROGRESS"), stack_in("ROLLBACK_COMPLETE")],
        DescribeStackEvents=[{"StackEvents": []}, {"StackEvents": events[2:]}, {"StackEvents": events}],
    )
    said: list[str] = []
    with pytest.raises(kind, match="Role: ") as told:
        Stack(played, "orders-dev").execute(Proposal("arn:change", True, ()), said.append)
    assert type(told.value) is kind
    assert reason in told.value.message
    assert said[:2] == ["  Role: create in progress", f"  Role: create failed: {reason}"]
    assert len(said) == 4  # each is told once


def test_an_update_that_was_rolled_back_is_a_failure() -> None:
    played = Played(
        DescribeStacks=[stack_in("UPDATE_ROLLBACK_COMPLETE")],
        DescribeStackEvents=[{"StackEvents": []}],
    )
    with pytest.raises(DeployError, match="no reason"):
        Stack(played, "orders-dev").execute(Proposal("arn:change", False, ()), lambda line: None)


def test_a_stack_that_cannot_be_deleted_is_told_and_one_that_is_gone_is_gone() -> None:
    failed = event("DELETE_FAILED", "Role", "it has policies that are not ours")
    played = Played(
        DescribeStacks=[stack_in("CREATE_COMPLETE"), stack_in("DELETE_IN_PROGRESS"), stack_in("DELETE_FAILED")],
        DescribeStackEvents=[{"StackEvents": []}, {"StackEvents": [failed]}],
    )
    with pytest.raises(DeployError, match="it has policies"):
        Stack(played, "orders-dev").delete(lambda line: None)
    gone = Played(DescribeStacks=[stack_in("ROLLBACK_COMPLETE"), ABSENT], DescribeStackEvents=[ABSENT])
    assert Stack(gone, "orders-dev").delete(lambda line: None)
    assert not Stack(Played(DescribeStacks=[ABSENT]), "orders-dev").delete(lambda line: None)


# --- the bucket of artifacts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers",
    [
        {"HeadBucket": [RightsMissing("You may not do s3:HeadBucket: Forbidden")]},
        {
            "HeadBucket": [Refused("no", aws_code="404")],
            "CreateBucket": [Refused("taken", aws_code="BucketAlreadyExists")],
        },
    ],
    ids=["somebody else's", "taken meanwhile"],
)
def test_a_bucket_of_somebody_else_is_not_written_to(answers: dict[str, Any], tmp_path: Any) -> None:
    played = Played(**answers)
    with pytest.raises(NameTaken, match="nexus-artifacts-123456789012-eu-central-1") as told:
        Artifacts(played, "orders-dev").upload(tmp_path, "key")
    assert "artifact_bucket" in told.value.hint
    assert "PutObject" not in played.asked
