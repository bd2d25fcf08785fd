"""NEXUS on AWS: the store on DynamoDB, SQS and S3. Extra: ``pip install "nexus-sdk[aws]"``.

The protocol is that of every split store (`nexus_sdk.store.split`); here are its parts, each a thin layer over one
service: `dynamodb` the rows, `sqs` the queues, `s3` the blobs, and `call`, through which all of them speak.
"""

from nexus_aws.url import open_store

__all__ = ["open_store"]
