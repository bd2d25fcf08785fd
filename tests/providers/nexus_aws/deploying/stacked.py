"""A stack on the emulator, brought to life: what AWS does with a function, its event sources and its URL.

The code is what was uploaded, unpacked; the real `awslambdaric` runs it in an interpreter that sees nothing else of
this machine's packages, with the environment that the stack has given it.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from nexus_aws.deploying.account import Account
from tests.providers.nexus_aws.runtime_api import Container

RUNTIME = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""What Lambda's Python has, beside its standard library."""

SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class Stacked:
    """The function of a stack, with what feeds it.

    Attributes:
        folder: where its code is unpacked.
    """

    def __init__(self, account: Account, title: str, endpoint: str, folder: Path) -> None:
        self._account = account
        self.folder = folder / "task"
        function = account.ask("lambda", "GetFunction", FunctionName=title)
        parameters = account.ask("cloudformation", "DescribeStacks", StackName=title)["Stacks"][0]["Parameters"]
        code = {one["ParameterKey"]: one["ParameterValue"] for one in parameters}
        body = account.ask("s3", "GetObject", Bucket=code["CodeBucket"], Key=code["CodeKey"])["Body"].read()
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            packed.extractall(self.folder)
        mappings = account.ask("lambda", "ListEventSourceMappings", FunctionName=title)["EventSourceMappings"]
        self._queues = [mapping["EventSourceArn"].rpartition(":")[2] for mapping in mappings]
        configuration = function["Configuration"]
        self._seconds = float(configuration["Timeout"])
        variables = {
            **configuration["Environment"]["Variables"],
            "PYTHONPATH": f"{self.folder}{os.pathsep}{_runtime(folder / 'runtime')}",
            "AWS_REGION": account.region,
            "AWS_ENDPOINT_URL": endpoint,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        python = (sys.executable, "-S")  # without the packages of this environment
        self.container = Container(configuration["Handler"], variables, self.folder, python)

    def close(self) -> None:
        """End the function."""
        self.container.close()

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request to the URL: status and answer."""
        event = {
            "version": "2.0",
            "rawPath": path,
            "requestContext": {"http": {"method": method, "path": path}},
            "body": json.dumps(body),
        }
        answer = self.container.invoke(event, seconds=self._seconds)
        return answer["statusCode"], json.loads(answer["body"])

    def sweep(self) -> Mapping[str, Any]:
        """What the schedule does."""
        swept: Mapping[str, Any] = self.container.invoke(SWEEP, seconds=self._seconds)
        return swept

    def pump(self) -> set[str]:
        """Hand over what is on the queues until nothing comes; which queues had something."""
        fed: set[str] = set()
        while True:
            found = {queue for queue in self._queues if self._feed(queue)}
            if not found:
                return fed
            fed |= found

    def _feed(self, queue: str) -> bool:
        url = self._account.ask("sqs", "GetQueueUrl", QueueName=queue)["QueueUrl"]
        messages = self._account.ask("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
        if not messages:
            return False
        records = [
            {"messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"], "body": one["Body"]}
            for one in messages
        ]
        failures = self.container.invoke({"Records": records}, seconds=self._seconds)["batchItemFailures"]
        failed = {failure["itemIdentifier"] for failure in failures}
        for one in messages:
            if one["MessageId"] not in failed:
                self._account.ask("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return True


def _runtime(folder: Path) -> Path:
    """A folder with what Lambda brings, and nothing else."""
    folder.mkdir()
    for name in RUNTIME:
        for top in {path.parts[0] for path in metadata.files(name) or () if ".." not in path.parts}:
            source = Path(str(metadata.distribution(name).locate_file(top)))
            (folder / top).symlink_to(source)
    return folder
