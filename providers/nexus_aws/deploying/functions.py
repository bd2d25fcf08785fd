"""The function of the template: its role, its log, and everything that calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nexus_aws.deployed import WORKERS
from nexus_aws.deploying.names import log_group_name
from nexus_aws.deploying.permissions import PERMISSIONS, On
from nexus_aws.deploying.platform import python_of
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Settings

HANDLER = "nexus_aws.deployed.handler"

BATCH_MESSAGES = 10
"""So many messages of a queue are handed over at a time."""

SWEEP = "rate(1 minute)"
"""How often the sweep looks for what nobody has rung for."""


def function_resources(program: Program, settings: Settings, served: Mapping[str, str]) -> dict[str, Any]:
    """The function, its role and its log.

    Args:
        served: the queues it is fed from: logical ids and names.
    """
    return {
        "Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": log_group_name(settings.title),
                "RetentionInDays": int(settings.text("log_days")),
            },
        },
        "Role": _role(served, settings),
        "Function": {"Type": "AWS::Lambda::Function", "Properties": _function(program, settings)},
        **_event_sources(settings, served),
        **_schedule(),
        **_url(settings.text("url")),
    }


def _function(program: Program, settings: Settings) -> dict[str, Any]:
    variables: dict[str, Any] = {
        **settings.variables,
        "NEXUS_APP": program.spec,
        "NEXUS_STORE": {"Fn::Sub": "dynamodb://${Table}?bucket=${Bucket}"},
    }
    if workers := settings.texts("workers"):
        variables[WORKERS] = ",".join(sorted(workers))
    properties: dict[str, Any] = {
        "FunctionName": settings.title,
        "Description": f"{program.spec}: durable workflows",
        "Runtime": f"python{python_of(settings)}",
        "Handler": HANDLER,
        "Architectures": [settings.text("architecture")],
        "MemorySize": settings.number("memory"),
        "Timeout": settings.number("timeout"),
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}},
        "Environment": {"Variables": variables},
        "LoggingConfig": {"LogGroup": {"Ref": "Log"}},
    }
    return properties


# --- what it may do ---------------------------------------------------------------------------------------------------


def _role(served: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            },
            "Policies": [
                {
                    "PolicyName": "nexus",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": statements(served, settings)},
                }
            ],
        },
    }


def statements(served: Mapping[str, str], settings: Settings) -> list[dict[str, Any]]:
    """The statements of the role's policy, one for each thing it may do something with."""
    from nexus_aws.deploying.names import worker_queues

    def arn(logical: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [logical, "Arn"]}

    resources: Mapping[On, Sequence[Any]] = {
        On.TABLE: [arn("Table")],
        On.INDEXES: [{"Fn::Sub": "${Table.Arn}/index/look"}, {"Fn::Sub": "${Table.Arn}/index/created"}],
        On.QUEUES: [arn(logical) for logical in (*served, *worker_queues(settings))],
        On.SERVED_QUEUES: [arn(logical) for logical in served],
        On.DEAD_QUEUE: [arn("DeadLetters")],
        On.OBJECTS: [{"Fn::Sub": "${Bucket.Arn}/default/*"}],
        On.BUCKET: [arn("Bucket")],
        On.LOG: [arn("Log")],
    }
    return [
        {
            "Sid": "".join(word.capitalize() for word in on.name.split("_")),
            "Effect": "Allow",
            "Action": [permission.action for permission in PERMISSIONS if permission.on is on],
            "Resource": list(resources[on]),
        }
        for on in On
    ]


# --- what calls it ----------------------------------------------------------------------------------------------------


def _event_sources(settings: Settings, served: Mapping[str, str]) -> dict[str, Any]:
    scaling = {"ScalingConfig": {"MaximumConcurrency": most}} if (most := settings.number("concurrency")) else {}
    return {
        f"{logical}Source": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": {"Fn::GetAtt": [logical, "Arn"]},
                "BatchSize": BATCH_MESSAGES,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **scaling,
            },
        }
        for logical in served
    }


def _schedule() -> dict[str, Any]:
    return {
        "Sweep": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Description": "Looks for timers that are due, and for the work of functions that died",
                "ScheduleExpression": SWEEP,
                "State": "ENABLED",
                "Targets": [
                    {
                        "Id": "function",
                        "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
                        "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
                    }
                ],
            },
        },
        "SweepPermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Sweep", "Arn"]},
            },
        },
    }


def _url(kind: str) -> dict[str, Any]:
    """The function's own URL: for those whom IAM lets, for everybody, or none."""
    if kind == "none":
        return {}
    auth = "NONE" if kind == "public" else "AWS_IAM"
    url = {
        "Type": "AWS::Lambda::Url",
        "Properties": {"TargetFunctionArn": {"Fn::GetAtt": ["Function", "Arn"]}, "AuthType": auth},
    }
    if kind != "public":
        return {"Url": url}
    everybody = {"FunctionName": {"Ref": "Function"}, "Principal": "*"}
    return {
        "Url": url,
        "UrlPermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {**everybody, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        },
        "UrlInvokePermission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {**everybody, "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
        },
    }
