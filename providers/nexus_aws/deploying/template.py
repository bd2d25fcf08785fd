"""The CloudFormation template of a program: all in one file, with two parameters that say where the code lies."""

from __future__ import annotations

from typing import Any

import nexus_sdk
from nexus_aws.deploying.alarms import alarm_resources
from nexus_aws.deploying.data import data_resources
from nexus_aws.deploying.functions import function_resources
from nexus_aws.deploying.names import served_queues, worker_queues
from nexus_aws.deploying.queues import queue_resources
from nexus_sdk.building.program import Program
from nexus_sdk.building.settings import Settings

TAGGED = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
    }
)
"""Kinds of resources that carry tags."""


def template_of(program: Program, settings: Settings) -> dict[str, Any]:
    """The template, as data."""
    served = served_queues(program, settings)
    resources = {
        **data_resources(settings),
        **queue_resources(settings, {**served, **worker_queues(settings)}),
        **function_resources(program, settings, served),
        **alarm_resources(settings),
    }
    tags = [{"Key": name, "Value": value} for name, value in tags_of(program, settings).items()]
    for resource in resources.values():
        if resource["Type"] in TAGGED:
            resource["Properties"]["Tags"] = tags
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{settings.title}: durable workflows of {program.spec}",
        "Metadata": {
            "Nexus": {
                "version": nexus_sdk.__version__,
                "app": program.spec,
                "workflows": sorted({name for name, _ in program.app.registry.workflows}),
            }
        },
        "Parameters": {
            "CodeBucket": {"Type": "String", "Description": "The bucket that the code was uploaded to"},
            "CodeKey": {"Type": "String", "Description": "The key of the code in that bucket"},
        },
        "Resources": resources,
        "Outputs": _outputs(),
    }


def tags_of(program: Program, settings: Settings) -> dict[str, str]:
    """What everything carries: the tags of the settings, and what it belongs to."""
    return {**settings.tags, "nexus:app": program.spec, "nexus:stage": settings.stage}


def _outputs() -> dict[str, Any]:
    store = {"Fn::Sub": "dynamodb://${Table}?region=${AWS::Region}&bucket=${Bucket}"}
    return {
        "Store": {"Description": "The store's URL, for --store", "Value": store},
        "Function": {"Description": "The function", "Value": {"Ref": "Function"}},
        "Log": {"Description": "The function's log", "Value": {"Ref": "Log"}},
        "DeadLetters": {"Description": "The queue of dead letters", "Value": {"Ref": "DeadLetters"}},
    }
