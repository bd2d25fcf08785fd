"""What NEXUS costs on AWS, and what else there is there: Step Functions Standard, Lambda durable functions.

| module | what |
|---|---|
| `services` | DynamoDB, SQS and S3 in memory: what this provider asks for, and what each request is billed as |
| `metered` | the provider's way to them: counts, and lets time pass |
| `playing` | the event sources, the schedule and the function, which is `nexus_aws.messages` itself |
| `elsewhere` | the same work on the other products |
| `estimate` | all of it together |

The one rule: requests are counted where the provider's own code makes them, so that the estimate cannot drift from it.
"""

from __future__ import annotations

from nexus_aws.costing.estimate import Aws

cloud = Aws()
"""The entry point."""

__all__ = ["Aws", "cloud"]
