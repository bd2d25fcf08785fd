"""Whoever deploys: the credentials and the region of the AWS SDKs, and requests in their name.

The one rule: what AWS refuses is told in our words, with a code and what to do; nothing of botocore's leaves here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from nexus_sdk.errors import CredentialsMissing, DeployError, PlatformMissing, RegionMissing, RightsMissing

NOT_ACCEPTED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Codes of refused credentials."""

NOT_ALLOWED = frozenset(
    {
        "403",  # to a question for no more than the head of something
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorized",
        "UnauthorizedOperation",
    }
)
"""Codes of missing rights."""

WITHOUT_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"),
    *("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError", "NoAuthTokenError"),
    "ConfigParseError",
)
"""What botocore raises that finds no credentials."""

PAUSE_SECONDS = 2.0
"""Between two looks at something that goes on."""

CREDENTIALS_HINT = "aws configure, aws sso login, or AWS_PROFILE; to see who you are: aws sts get-caller-identity"


OWN_WORDS = "The words are those of AWS; nothing was changed by this request."


class Refused(DeployError):
    """A request that AWS has refused. `aws_code`: its own code."""

    def __init__(self, message: str, *, aws_code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.aws_code = aws_code


class Account:
    """An account in a region.

    Args:
        region: that of the AWS SDKs by default.
        pause: waits so many seconds.
    """

    def __init__(self, region: str | None = None, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._region = region
        self._pause = pause
        self._clients: dict[str, Any] = {}

    def pause(self) -> None:
        """Wait a little before looking again."""
        self._pause(PAUSE_SECONDS)

    @cached_property
    def region(self) -> str:
        """The region.

        Raises:
            RegionMissing: nothing says one.
        """
        # Not botocore, but the other tools of AWS know AWS_REGION.
        found = self._region or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        if not found:
            raise RegionMissing(
                "Nothing says in which region of AWS to deploy.",
                hint="Name one: AWS_REGION=eu-central-1, or aws configure set region eu-central-1.",
            )
        return str(found)

    @cached_property
    def number(self) -> str:
        """The account's number.

        Raises:
            CredentialsMissing: there are no credentials, or none that AWS accepts.
        """
        return str(self.ask("sts", "GetCallerIdentity")["Account"])

    @property
    def place(self) -> str:
        """Account and region, for people."""
        return f"account {self.number}, {self.region}"

    def ask(self, service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:
        """Make a request.

        Raises:
            DeployError: it was refused; `Refused`, where that has no code of its own.
        """
        try:
            reply: Mapping[str, Any] = self._client(service)._make_api_call(operation, parameters)
            return reply
        except Exception as error:
            told = _told(service, operation, error, self._region_or_none())
            if told is None:
                raise
            raise told from None

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """The items of all pages of a request that says `NextToken`."""
        token: dict[str, Any] = {}
        while True:
            reply = self.ask(service, operation, **parameters, **token)
            yield from reply.get(key, ())
            if not reply.get("NextToken"):
                return
            token = {"NextToken": reply["NextToken"]}

    @cached_property
    def _session(self) -> Any:
        try:
            from botocore.session import get_session
        except ImportError as error:
            raise PlatformMissing(
                f"Deploying to AWS needs boto3, which is not installed ({error}).", hint='pip install "nexus-sdk[aws]"'
            ) from None
        return get_session()

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from botocore.config import Config

            config = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5)
            self._clients[service] = self._session.create_client(service, region_name=self.region, config=config)
        return self._clients[service]

    def _region_or_none(self) -> str:
        return str(self.__dict__.get("region", ""))


def _told(service: str, operation: str, error: Exception, region: str) -> DeployError | None:
    """What botocore has raised, in our words; None: it is none of botocore's."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return None
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return refusal(f"{service}:{operation}", str(said.get("Code", "")), str(said.get("Message", "")))
    if type(error).__module__ == "botocore.parsers":  # what has answered is not AWS: a proxy, a page
        return DeployError(
            f"{service}:{operation}: the answer is none of AWS: {error}", hint="Is there a proxy in between?"
        )
    if not isinstance(error, BotoCoreError):
        return None
    kind = type(error).__name__
    if kind in WITHOUT_CREDENTIALS:
        return CredentialsMissing(f"There are no credentials for AWS: {error}", hint=CREDENTIALS_HINT)
    if kind in ("EndpointConnectionError", "ConnectTimeoutError", "InvalidRegionError", "ReadTimeoutError"):
        return DeployError(
            f"AWS cannot be reached: {error}", hint=f"Is the region right ({region}), and is there a network?"
        )
    return DeployError(f"{service}:{operation}: {error}", hint=OWN_WORDS)


def refusal(what: str, code: str, message: str) -> DeployError:
    """A refusal in our words.

    Args:
        what: was asked for.
        code: AWS's.
    """
    if code in NOT_ACCEPTED:
        return CredentialsMissing(f"AWS does not accept these credentials: {code}: {message}", hint=CREDENTIALS_HINT)
    if code in NOT_ALLOWED or "is not authorized to perform" in message:
        return rights_missing(what, message)
    return Refused(f"AWS refused {what}: {code}: {message}", aws_code=code, hint=OWN_WORDS)


def rights_missing(what: str, message: str) -> RightsMissing:
    """The error of missing rights. `message`: what AWS has said of it."""
    action = re.search(r"not authorized to perform: (?P<action>[\w-]+:\w+)", message)
    named = action["action"] if action else what
    return RightsMissing(
        f"You may not do {named}: {message}",
        hint="What deploying takes is listed in docs/how-to/deploy-to-aws.md; ask whoever gives rights in the account.",
    )
