"""What holds data: the table and the bucket. They outlive the stack, and are never replaced."""

from __future__ import annotations

from typing import Any

from nexus_aws.dynamodb import SCHEMA
from nexus_sdk.building.settings import Settings

HOLDS_DATA = frozenset({"AWS::DynamoDB::Table", "AWS::S3::Bucket"})
"""Kinds of resources that a deployment never takes away by itself."""

OLD_VERSIONS_DAYS = 30
"""So long an object is kept in the bucket after it was erased."""

_KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def data_resources(settings: Settings) -> dict[str, Any]:
    """The resources of the template."""
    return {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            **_KEPT,
            "Properties": {
                "TableName": settings.title,
                **SCHEMA,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": settings.text("encryption") == "kms"},
                "DeletionProtectionEnabled": True,
            },
        },
        "Bucket": {"Type": "AWS::S3::Bucket", **_KEPT, "Properties": _bucket(settings)},
        "BucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "NothingInTheClear",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}],
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                },
            },
        },
    }


def _bucket(settings: Settings) -> dict[str, Any]:
    algorithm = "aws:kms" if settings.text("encryption") == "kms" else "AES256"
    rule: dict[str, Any] = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    if algorithm == "aws:kms":
        rule["BucketKeyEnabled"] = True
    properties: dict[str, Any] = {
        "BucketName": {"Fn::Sub": settings.title + "-${AWS::AccountId}-${AWS::Region}"},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]},
        "VersioningConfiguration": {"Status": "Enabled"},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "erased",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSIONS_DAYS},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
    }
    if days := settings.number("object_lock_days"):
        properties["ObjectLockEnabled"] = True
        properties["ObjectLockConfiguration"] = {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}},
        }
    return properties
