"""What the emulator's CloudFormation lacks of what our template has, as thin faces on what the emulator can do."""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.common_models import CloudFormationModel


class FunctionUrl(CloudFormationModel):
    """The URL of a function."""

    __module__ = "moto.awslambda.models"  # moto derives the service from it

    def __init__(self, function: str, url: str) -> None:
        self.function = function
        self.url = url

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
        made = lambda_backends[account_id][region_name].create_function_url_config(function, properties)
        return cls(function, made.url)

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

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "FunctionUrl"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        assert attribute_name == "FunctionUrl"
        return self.url
