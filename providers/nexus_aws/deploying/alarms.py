"""The alarms of the template: what should not stay unnoticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus_sdk.building.settings import Settings

NAMESPACE = "NEXUS"
"""Of the metrics that are counted in the log."""

BELL_AGE_SECONDS = 900
"""A bell that is older says that the function does not come after."""


def alarm_resources(settings: Settings) -> dict[str, Any]:
    """The alarms, and the metric that one of them looks at. They go to the topic of the settings, if there is one."""
    queue = {"AWS/SQS": "QueueName"}
    dead = {"QueueName": {"Fn::GetAtt": ["DeadLetters", "QueueName"]}}
    bells = {"QueueName": {"Fn::GetAtt": ["Bells", "QueueName"]}}
    function = {"FunctionName": {"Ref": "Function"}}
    (sqs,) = queue

    def alarm(meaning: str, metric: str, space: str, dimensions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        properties = {
            "AlarmDescription": f"{settings.title}: {meaning}",
            "Namespace": space,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": "Maximum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        if topic := settings.text("alarm_topic"):
            properties["AlarmActions"] = [topic]
        return {"Type": "AWS::CloudWatch::Alarm", "Properties": properties | more}

    return {
        "BlockedInstances": {
            "Type": "AWS::Logs::MetricFilter",
            "Properties": {
                "LogGroupName": {"Ref": "Log"},
                "FilterPattern": '"is blocked:"',
                "MetricTransformations": [
                    {"MetricNamespace": NAMESPACE, "MetricName": f"{settings.title}-blocked", "MetricValue": "1"}
                ],
            },
        },
        "BlockedAlarm": alarm(
            "an instance is blocked: its history and the code disagree, or its data cannot be read",
            f"{settings.title}-blocked",
            NAMESPACE,
            {},
            Statistic="Sum",
        ),
        "DeadLettersAlarm": alarm(
            "a message was delivered in vain too often; the sweep looks after it",
            "ApproximateNumberOfMessagesVisible",
            sqs,
            dead,
        ),
        "ThrottlesAlarm": alarm(
            "the function was not let run: the account's limit of concurrent functions",
            "Throttles",
            "AWS/Lambda",
            function,
            Statistic="Sum",
        ),
        "ErrorsAlarm": alarm(
            "invocations of the function have failed: out of time, out of memory, or the program cannot be imported",
            "Errors",
            "AWS/Lambda",
            function,
            Statistic="Sum",
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
        ),
        "LateAlarm": alarm(
            "instances wait for the function to take their messages",
            "ApproximateAgeOfOldestMessage",
            sqs,
            bells,
            Threshold=BELL_AGE_SECONDS,
        ),
    }
