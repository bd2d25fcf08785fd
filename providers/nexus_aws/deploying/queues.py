"""The queues of the template: bells, activities, and dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus_aws.deploying.names import dead_queue
from nexus_aws.limits import RECEIVES_MAX, RETENTION_SECONDS
from nexus_sdk.building.settings import Settings

VISIBILITY_TIMES = 6
"""A message stays hidden for so many times the function's time, as AWS advises."""


def queue_resources(settings: Settings, queues: Mapping[str, str]) -> dict[str, Any]:
    """The resources of the template.

    Args:
        queues: logical ids and names.
    """
    made = {
        logical: {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": name,
                "MessageRetentionPeriod": RETENTION_SECONDS,
                "VisibilityTimeout": VISIBILITY_TIMES * settings.number("timeout"),
                "SqsManagedSseEnabled": True,
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
                    "maxReceiveCount": RECEIVES_MAX,
                },
            },
        }
        for logical, name in queues.items()
    }
    dead = {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": dead_queue(settings.title),
            "MessageRetentionPeriod": RETENTION_SECONDS,
            "SqsManagedSseEnabled": True,
        },
    }
    return {"DeadLetters": dead, **made}
