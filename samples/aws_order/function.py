"""What is deployed: Lambda calls `handler` with messages of the queues, requests over HTTP, and the schedule."""

from aws_order import app

from nexus_aws import lambda_handler

handler = lambda_handler(app)
