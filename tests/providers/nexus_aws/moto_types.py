"""What the emulator's CloudFormation lacks of what our template and its deployment need, on what the emulator can do.

Importing it is all: URLs of functions become a kind of resource, and a stack that was made by a change set has its
outputs, parameters and tags. Event sources feed nobody: who tests plays them.
"""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import lambda_backends
from moto.cloudformation.models import ChangeSet
from moto.core.common_models import CloudFormationModel
from moto.sqs.models import Queue


class FunctionUrl(CloudFormationModel):
    """The URL of a function."""

    __module__ = "moto.awslambda.models"  # moto derives the service from it

    def __init__(self, function: str) -> None:
        self.function = function

    @property
    def physical_resource_id(self) -> str:
        return self.function

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Url"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> FunctionUrl:
        properties = cloudformation_json["Properties"]
        function = properties["TargetFunctionArn"]
        lambda_backends[account_id][region_name].create_function_url_config(function, properties)
        return cls(function)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> FunctionUrl:
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """With its function."""


def _apply(change_set: Any) -> None:
    stack = change_set.stack
    stack.resource_map.update(change_set.template_dict, change_set.parameters)
    stack.template, stack.parameters, stack.tags = change_set.template, change_set.parameters, change_set.tags or {}
    stack._parse_template()
    stack.output_map = stack._create_output_map()


ChangeSet.apply = _apply  # type: ignore[method-assign]
# Otherwise whatever is sent is received at once, for a function that cannot be run here, and counts as received.
Queue.lambda_event_source_mappings = property(lambda queue: {}, lambda queue, mappings: None)  # type: ignore[assignment]
