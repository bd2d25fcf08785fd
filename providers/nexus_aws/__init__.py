"""NEXUS on AWS: the store on DynamoDB, SQS and S3, and a Lambda function that serves it.

Extra: ``pip install "nexus-sdk[aws]"``. The protocol is that of every split store (`nexus_sdk.store.split`); here are
its parts, each a thin layer over one service: `dynamodb` the rows, `sqs` the queues, `s3` the blobs, and `call`,
through which all of them speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus_aws.url import open_store

if TYPE_CHECKING:
    from nexus_aws.function import lambda_handler

__all__ = ["lambda_handler", "open_store"]


def __getattr__(name: str) -> Any:
    # Whoever only opens the store does not load what a function needs.
    if name == "lambda_handler":
        from nexus_aws.function import lambda_handler

        return lambda_handler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
