"""A CloudFormation stack: what would change, changing it, and waiting until it is changed.

The one rule: a change is looked at before it is made, as a change set, and that one is made and no other.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nexus_aws.deploying.account import Account, Refused, rights_missing
from nexus_sdk.building.platform import Action, Change, Say
from nexus_sdk.errors import DeployError, NameTaken, NotDeployable

READY = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
"""States in which a stack may be changed."""

DONE = READY - {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
"""States that a change ends in, if it succeeds."""

UNBORN = frozenset({"REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})
"""States of a stack that has nothing yet, or nothing any more."""

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

BODY_BYTES_MAX = 51_200
"""A larger template has to be uploaded."""

_WHAT_NEXT = {
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {name}, then deploy again.",
    "DELETE_FAILED": "Destroy it again: what stands in the way is among its events in the console.",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change set. `id`: its own; None: nothing would change."""

    id: str | None
    is_new: bool
    changes: Sequence[Change]


class Stack:
    """The stack of a name."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self.name = name
        self._told: set[str] = set()

    # --- looking ------------------------------------------------------------------------------------------------------

    def describe(self) -> Mapping[str, Any] | None:
        """What CloudFormation says of it; None: there is no such stack."""
        try:
            found = self._ask("DescribeStacks", StackName=self.name)["Stacks"]
        except Refused as error:
            if error.aws_code == "ValidationError":
                return None
            raise
        stack: Mapping[str, Any] | None = found[0] if found else None
        return None if stack is None or stack["StackStatus"] in UNBORN else stack

    def outputs(self) -> dict[str, str]:
        """Its outputs; empty where there is no stack."""
        stack = self.describe() or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}

    def metadata(self) -> Mapping[str, Any]:
        """What its template says of itself."""
        body = self._ask("GetTemplate", StackName=self.name, TemplateStage="Original")["TemplateBody"]
        try:
            template = json.loads(body) if isinstance(body, str) else body
        except ValueError:
            return {}
        found: Mapping[str, Any] = template.get("Metadata", {}).get("Nexus", {})
        return found

    # --- changing -----------------------------------------------------------------------------------------------------

    def propose(self, template: Mapping[str, str], parameters: Mapping[str, str], tags: Mapping[str, str]) -> Proposal:
        """What would change.

        Args:
            template: ``TemplateBody`` or ``TemplateURL``.

        Raises:
            NotDeployable: the stack is not in a state to be changed.
            DeployError: CloudFormation refuses the change.
        """
        stack = self.describe()
        if stack is not None and stack["StackStatus"] not in READY:
            raise self._not_deployable(stack)
        asked = {
            "StackName": self.name,
            "ChangeSetName": f"nexus-{secrets.token_hex(6)}",
            "ChangeSetType": "CREATE" if stack is None else "UPDATE",
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            "Tags": [{"Key": name, "Value": value} for name, value in tags.items()],
            # A table and a bucket that an earlier stack of this name has left are taken over.
            "ImportExistingResources": True,
            **template,
        }
        try:
            change_set = self._ask("CreateChangeSet", **asked)["Id"]
        except Refused as error:
            if any(words in error.message for words in NO_CHANGES):
                return Proposal(None, stack is None, ())
            raise
        said = self._settled(lambda: self._ask("DescribeChangeSet", ChangeSetName=change_set, StackName=self.name))
        if said["Status"] == "FAILED":
            self.discard(change_set, is_new=stack is None)
            if any(words in said.get("StatusReason", "") for words in NO_CHANGES):
                return Proposal(None, stack is None, ())
            raise self._failure(said.get("StatusReason", ""))
        changes = [
            change
            for page in self._account.pages(
                "cloudformation", "DescribeChangeSet", "Changes", ChangeSetName=change_set, StackName=self.name
            )
            if (change := _change_of(page.get("ResourceChange", {}))) is not None
        ]
        return Proposal(change_set, stack is None, changes)

    def discard(self, change_set: str, *, is_new: bool) -> None:
        """Withdraw a change that is not to be made, and the empty stack that it has made."""
        self._withdraw(change_set)
        if is_new:
            self._ask("DeleteStack", StackName=self.name)

    def _withdraw(self, change_set: str) -> None:
        try:
            self._ask("DeleteChangeSet", ChangeSetName=change_set, StackName=self.name)
        except Refused as error:
            if error.aws_code not in ("ValidationError", "ChangeSetNotFound", "ChangeSetNotFoundException"):
                raise

    def execute(self, proposal: Proposal, say: Say) -> None:
        """Make a change, and wait until it is made.

        Raises:
            DeployError: it is not; what was there before is there again.
        """
        if proposal.id is None:
            return
        self._forget_events()
        self._ask("ExecuteChangeSet", ChangeSetName=proposal.id, StackName=self.name)
        status = self._followed(self.name, say)
        if status not in DONE:
            raise self._failure(self._reasons(self.name), status)

    def delete(self, say: Say) -> bool:
        """Take the stack away, and wait until it is gone. False: there was none.

        Raises:
            DeployError: it is still there.
        """
        stack = self.describe()
        if stack is None:
            return False
        if stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "DELETE_IN_PROGRESS":
            raise self._not_deployable(stack)
        self._forget_events()
        self._ask("DeleteStack", StackName=self.name)
        status = self._followed(stack["StackId"], say)  # by its id it is found when it is gone
        if status != "DELETE_COMPLETE":
            raise self._failure(self._reasons(stack["StackId"]), status)
        return True

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _settled(self, look: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """A change set that is no longer being made."""
        while True:
            said = look()
            if not said["Status"].endswith(("_PENDING", "_IN_PROGRESS")):
                return said
            self._account.pause()

    def _followed(self, name: str, say: Say) -> str:
        """Tell what happens until it has ended; the stack's state then."""
        while True:
            try:
                found = self._ask("DescribeStacks", StackName=name)["Stacks"]
            except Refused as error:
                if error.aws_code != "ValidationError":
                    raise
                return "DELETE_COMPLETE"
            status: str = found[0]["StackStatus"] if found else "DELETE_COMPLETE"
            for event in self._new_events(name):
                say(_told(event))
            if not status.endswith("_IN_PROGRESS"):
                return status
            self._account.pause()

    def _forget_events(self) -> None:
        """What has happened so far is not told."""
        for _ in self._new_events(self.name):
            pass

    def _new_events(self, name: str) -> list[Mapping[str, Any]]:
        """What has happened since the last look, the oldest first."""
        new: list[Mapping[str, Any]] = []
        try:
            for event in self._account.pages("cloudformation", "DescribeStackEvents", "StackEvents", StackName=name):
                if event["EventId"] in self._told:
                    break
                new.append(event)
        except Refused:  # there is no stack (any more)
            return []
        self._told.update(event["EventId"] for event in new)
        return new[::-1]

    # --- what went wrong ----------------------------------------------------------------------------------------------

    def _reasons(self, name: str) -> str:
        """Why the last change failed, as CloudFormation says it."""
        try:
            events = list(self._account.pages("cloudformation", "DescribeStackEvents", "StackEvents", StackName=name))
        except Refused:
            return ""
        failed = [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in events
            if event.get("ResourceStatus", "").endswith("_FAILED")
            and "cancelled" not in event.get("ResourceStatusReason", "cancelled")
        ]
        return failed[-1] if failed else ""  # the oldest: what came after came of it

    def _failure(self, reason: str, status: str = "") -> DeployError:
        said = reason or f"CloudFormation gives no reason ({status})."
        hint = f"The stack's events have more: aws cloudformation describe-stack-events --stack-name {self.name}"
        if "already exists" in said:
            return NameTaken(f"{self.name}: {said}", hint="Name the program or the stage otherwise: --name, --stage.")
        if "is not authorized to perform" in said or "AccessDenied" in said:
            return rights_missing(self.name, said)
        return DeployError(f"{self.name} was not changed: {said}", hint=hint)

    def _not_deployable(self, stack: Mapping[str, Any]) -> NotDeployable:
        status = stack["StackStatus"]
        if status.endswith("_IN_PROGRESS"):
            return NotDeployable(
                f"The stack {self.name} is being changed by somebody else ({status}).",
                hint="Try again when it is done.",
            )
        reason = self._reasons(self.name) or stack.get("StackStatusReason", "")
        because = f": {reason}" if reason else ""
        hint = _WHAT_NEXT.get(
            status, "Remove what is left of it, which keeps all data, and deploy again: nexus destroy aws"
        )
        return NotDeployable(
            f"The stack {self.name} is in the state {status}, and takes no change{because}",
            hint=hint.format(name=self.name),
        )

    def _ask(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        return self._account.ask("cloudformation", operation, **parameters)


# --- leaves -----------------------------------------------------------------------------------------------------------


def _change_of(said: Mapping[str, Any]) -> Change | None:
    actions = {"Add": Action.ADD, "Modify": Action.CHANGE, "Remove": Action.REMOVE, "Import": Action.IMPORT}
    action = actions.get(said.get("Action", ""))
    if action is None:
        return None
    if action is Action.CHANGE and said.get("Replacement") == "True":
        action = Action.REPLACE
    targets = [detail.get("Target", {}) for detail in said.get("Details", ())]
    what = sorted({target.get("Name") or target.get("Attribute", "") for target in targets} - {""})
    return Change(action, said.get("ResourceType", ""), said.get("LogicalResourceId", ""), tuple(what))


def _told(event: Mapping[str, Any]) -> str:
    status = event.get("ResourceStatus", "").lower().replace("_", " ")
    reason = event.get("ResourceStatusReason", "")
    told = f"  {event.get('LogicalResourceId', '')}: {status}"
    return f"{told}: {reason}" if reason and "failed" in status else told
