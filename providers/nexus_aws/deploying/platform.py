"""AWS as a platform: one Lambda function, a table, queues and a bucket, in one CloudFormation stack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nexus_sdk.building.archive import Archive
from nexus_sdk.building.platform import Deployment
from nexus_sdk.building.program import Program, running_python
from nexus_sdk.building.settings import Setting, Settings
from nexus_sdk.building.target import Target

if TYPE_CHECKING:
    from nexus_aws.deploying.deployment import AwsDeployment

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Versions that Lambda has, and so have we."""

LOG_DAYS = ("1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1827", "3653")
"""How long CloudWatch keeps a log, as far as it gives a choice."""

PROVIDED = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "awslambdaric"})
"""Distributions that Lambda's Python has."""

EXTRAS_LEFT_OUT = frozenset({"aws", "cli", "dev", "docs"})
"""Extras that whoever writes and deploys a program has: a function speaks to AWS by itself, and nobody types there."""

LEFT_OUT = frozenset(
    {
        *(f"nexus_sdk.{name}" for name in ("building", "cli", "costing", "lint", "replay", "testing")),
        "nexus_aws.costing",
        "nexus_aws.deploying",
    }
)
"""What no function imports: nothing below these layers may."""

UNPACKED_BYTES_MAX = 262_144_000
"""How large the code of a function may be, unpacked."""

GLIBC_MINORS = range(34, 16, -1)
"""Amazon Linux 2023 has glibc 2.34, and takes wheels for every older one."""

SETTINGS = (
    Setting("python", "", "The version of Python: " + ", ".join(PYTHONS) + ".", choices=("", *PYTHONS)),
    Setting("architecture", "x86_64", "x86_64, or arm64, which costs a fifth less.", choices=("x86_64", "arm64")),
    Setting("memory", 1024, "Megabytes; the share of the processor grows with them.", least=128, most=10_240),
    Setting("timeout", 60, "Seconds that an invocation may take.", least=15, most=900),
    Setting("concurrency", 0, "So many invocations at a time for each queue, from 2 on; 0: no limit.", most=1_000),
    Setting("workers", (), "Task queues that workers elsewhere serve, divided by commas."),
    Setting("url", "iam", "Who may call the function's URL: iam, public, none.", choices=("iam", "public", "none")),
    Setting("log_days", "30", "Days that the log is kept.", choices=LOG_DAYS),
    Setting("alarm_topic", "", "The ARN of an SNS topic that alarms are sent to."),
    Setting("encryption", "aws", "aws: with keys of AWS; kms: with the account's, in KMS.", choices=("aws", "kms")),
    Setting("object_lock_days", 0, "So long nothing in the bucket can be erased; 0: it can.", most=36_500),
    Setting("artifact_bucket", "", "The bucket that code is uploaded to; without it one is made."),
)


class AwsPlatform:
    """See `Platform`."""

    name = "aws"
    title = "AWS"
    settings: Sequence[Setting] = SETTINGS

    def target(self, settings: Settings) -> Target:
        """See `Platform.target`."""
        python = python_of(settings)
        machine = {"x86_64": "x86_64", "arm64": "aarch64"}[settings.text("architecture")]
        # Amazon Linux 2, with Python 3.11, has an older glibc.
        minors = GLIBC_MINORS if python != "3.11" else [17]
        wheels = [f"manylinux_2_{minor}_{machine}" for minor in minors] + [f"manylinux2014_{machine}"]
        return Target(
            python=python,
            machine=machine,
            wheels=tuple(wheels),
            provided=PROVIDED,
            extras_left_out=EXTRAS_LEFT_OUT,
            packages=("nexus_aws",),
            left_out=LEFT_OUT,
            root="/var/task",
            packed_bytes_max=UNPACKED_BYTES_MAX,
            unpacked_bytes_max=UNPACKED_BYTES_MAX,
        )

    def write_template(self, program: Program, settings: Settings, archive: Archive, folder: Path) -> Path:
        """See `Platform.write_template`. A JSON file."""
        from nexus_aws.deploying.template import template_of

        path = folder / "template.json"
        text = json.dumps(template_of(program, settings), indent=2, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")
        return path

    def deployment(self, program: Program, settings: Settings, archive: Archive | None) -> Deployment:
        """See `Platform.deployment`."""
        return self._deployment(program, settings, archive)

    def _deployment(self, program: Program, settings: Settings, archive: Archive | None) -> AwsDeployment:
        from nexus_aws.deploying.account import Account
        from nexus_aws.deploying.deployment import AwsDeployment

        return AwsDeployment(Account(), program, settings, archive)


def python_of(settings: Settings) -> str:
    """The version of Python: the one that was set, or this one, if Lambda has it, or the newest that it has."""
    return settings.text("python") or (running_python() if running_python() in PYTHONS else PYTHONS[-1])


AWS = AwsPlatform()
"""What the entry point gives."""
