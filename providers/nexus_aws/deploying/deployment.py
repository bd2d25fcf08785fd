"""A deployment to AWS: one stack, from the template and an artifact. See `nexus_sdk.building.platform.Deployment`."""

from __future__ import annotations

import json
import tempfile
from hashlib import sha256
from pathlib import Path

from nexus_aws.deploying.account import Account, Refused
from nexus_aws.deploying.artifacts import KEPT_BUILDS, Artifacts
from nexus_aws.deploying.data import HOLDS_DATA
from nexus_aws.deploying.erasing import Data
from nexus_aws.deploying.names import bucket_name
from nexus_aws.deploying.stack import BODY_BYTES_MAX, Proposal, Stack
from nexus_aws.deploying.template import tags_of, template_of
from nexus_sdk.building.archive import Archive
from nexus_sdk.building.platform import Action, Deployed, Destroyed, Plan, Say
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Settings
from nexus_sdk.errors import BuildError, DataAtRisk, NameTaken

TAG = "nexus:app"
"""The tag of stacks that are ours."""


class AwsDeployment:
    """See `Deployment`.

    Args:
        account: of whoever deploys.
        archive: what is deployed; without it nothing can be.
    """

    def __init__(self, account: Account, program: Program, settings: Settings, archive: Archive | None) -> None:
        self._account = account
        self._program = program
        self._settings = settings
        self._archive = archive
        self._stack = Stack(account, settings.title)
        self._artifacts = Artifacts(account, settings.title, settings.text("artifact_bucket"))

    def plan(self) -> Plan:
        """See `Deployment.plan`."""
        proposal = self._proposed()
        if proposal.id is not None:
            self._stack.discard(proposal.id, is_new=proposal.is_new)
        return self._plan(proposal)

    def apply(self, say: Say) -> Deployed:
        """See `Deployment.apply`."""
        proposal = self._proposed(uploads=say)
        if proposal.id is None:
            say("Nothing is to be changed.")
        else:
            say(f"{'Creating' if proposal.is_new else 'Changing'} the stack {self._settings.title} …")
            self._stack.execute(proposal, say)
            self._artifacts.forget(KEPT_BUILDS, self._code_key())
        return self._deployed()

    def store_url(self) -> str | None:
        """See `Deployment.store_url`."""
        self._check_ours()
        return None if self._stack.describe() is None else self._store()

    def destroy(self, say: Say, *, deletes_data: bool) -> Destroyed:
        """See `Deployment.destroy`."""
        title, place = self._settings.title, self._account.place
        self._check_ours()
        was_there = self._stack.delete(say)
        self._artifacts.forget(0)
        data = Data(self._account, title)
        if deletes_data:
            return Destroyed(title, place, was_there, (), data.erase(say))
        return Destroyed(title, place, was_there, data.found(), ())

    # --- what would be ------------------------------------------------------------------------------------------------

    def _proposed(self, uploads: Say | None = None) -> Proposal:
        """The change, as CloudFormation sees it.

        Args:
            uploads: the code is uploaded, and that is told here; None: it is not.
        """
        self._check_ours()
        archive, key = self._code(), self._code_key()
        if uploads is not None and self._artifacts.upload(archive.path, key):
            uploads(f"Uploaded {archive.packed_bytes / 1e6:.1f} MB to {self._artifacts.bucket}.")
        parameters = {"CodeBucket": self._artifacts.bucket, "CodeKey": key}
        template = self._template()
        proposal = self._stack.propose(template, parameters, tags_of(self._program, self._settings))
        at_risk = [
            change
            for change in proposal.changes
            if change.kind in HOLDS_DATA and change.action in (Action.REMOVE, Action.REPLACE)
        ]
        if at_risk and proposal.id is not None:
            self._stack.discard(proposal.id, is_new=proposal.is_new)
            first = at_risk[0]
            raise DataAtRisk(
                f"{self._settings.title}: the change would {first.action} {first.name} ({first.kind}): it holds data.",
                hint=f"What changes in it: {', '.join(first.what) or 'its name'}. "
                "Put that back, or deploy under another name or stage.",
            )
        return proposal

    def _code(self) -> Archive:
        if self._archive is None:
            raise BuildError("There is no artifact to deploy.", hint="nexus build makes one.")
        return self._archive

    def _code_key(self) -> str:
        return self._artifacts.key_of(self._code().digest)

    def _template(self) -> dict[str, str]:
        """The template as a request has it; a large one is uploaded."""
        body = json.dumps(template_of(self._program, self._settings), separators=(",", ":"), ensure_ascii=False)
        if len(body.encode()) <= BODY_BYTES_MAX:
            return {"TemplateBody": body}
        key = self._artifacts.key_of(sha256(body.encode()).hexdigest(), "json")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "template.json")
            path.write_text(body, encoding="utf-8")
            self._artifacts.upload(path, key)
        domain = "amazonaws.com.cn" if self._account.region.startswith("cn-") else "amazonaws.com"
        return {"TemplateURL": f"https://{self._artifacts.bucket}.s3.{self._account.region}.{domain}/{key}"}

    def _check_ours(self) -> None:
        """Refuse a stack that is not this program's.

        Raises:
            NameTaken: somebody else has the name.
        """
        title = self._settings.title
        stack = self._stack.describe()
        if stack is None:
            return
        hint = "Name the program or the stage otherwise: --name, --stage."
        if TAG not in {tag["Key"] for tag in stack.get("Tags", ())}:
            raise NameTaken(f"There is a stack {title}, which `nexus deploy` has not made.", hint=hint)
        theirs = set(self._stack.metadata().get("workflows", ()))
        ours = {name for name, _ in self._program.app.registry.workflows}
        if theirs and not theirs & ours:
            raise NameTaken(
                f"The stack {title} is another program's: it has the workflow {min(theirs)!r}, "
                f"and {self._program.spec} has none of its workflows.",
                hint=hint,
            )

    # --- for people ---------------------------------------------------------------------------------------------------

    def _plan(self, proposal: Proposal) -> Plan:
        return Plan(self._settings.title, self._account.place, proposal.is_new, proposal.changes)

    def _deployed(self) -> Deployed:
        url = self._url()
        request = self._request(url) if url else ""
        title, place = self._settings.title, self._account.place
        return Deployed(title, place, url, self._store(), request, self._stack.outputs())

    def _store(self) -> str:
        """The URL of the store: what holds data has a name that is known."""
        title, account = self._settings.title, self._account
        return f"dynamodb://{title}?region={account.region}&bucket={bucket_name(title, account.number, account.region)}"

    def _url(self) -> str:
        """The function's URL; empty where it has none."""
        if self._settings.text("url") == "none":
            return ""
        try:
            said = self._account.ask("lambda", "GetFunctionUrlConfig", FunctionName=self._settings.title)
        except Refused as error:
            if error.aws_code == "ResourceNotFoundException":
                return ""
            raise
        return str(said["FunctionUrl"])

    def _request(self, url: str) -> str:
        """A command that starts an instance over HTTP."""
        example = self._program.example
        signed = ""
        if self._settings.text("url") == "iam":
            signed = (
                f' --aws-sigv4 "aws:amz:{self._account.region}:lambda" '
                '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: $AWS_SESSION_TOKEN"'
            )
        body = f'{{"arguments": {example.arguments}}}'
        return f"curl -X POST '{url.rstrip('/')}/workflows/{example.workflow}'{signed} -d '{body}'"
