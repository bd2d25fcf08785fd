"""A script that plays AWS: what it says to each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nexus_aws.deploying.account import Account, Refused


class Played(Account):
    """Answers by a script: for each operation its answers, in turn; the last one again and again."""

    def __init__(self, **answers: Sequence[Any]) -> None:
        super().__init__("eu-central-1", pause=lambda seconds: None)
        self._answers = {operation: list(said) for operation, said in answers.items()}
        self.asked: list[str] = []
        self.__dict__["number"] = "123456789012"

    def ask(self, service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:
        self.asked.append(operation)
        answers = self._answers.get(operation, [{}])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


def stack_in(status: str, **more: Any) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "orders-dev", "StackId": "arn:orders", "StackStatus": status, **more}]}


def event(status: str, resource: str, reason: str, number: int = 1) -> dict[str, Any]:
    return {
        "EventId": f"{number}",
        "LogicalResourceId": resource,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


ABSENT = Refused("AWS refused it", aws_code="ValidationError")
