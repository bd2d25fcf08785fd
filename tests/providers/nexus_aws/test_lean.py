"""Requests without botocore say, sign and refuse exactly as those through botocore do."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nexus_aws import lean
from nexus_aws.call import AwsError, BotoCall
from nexus_aws.lean import UNUSUAL, LeanCall, can_be_lean, function_call, signed
from tests.providers.nexus_aws.cloud import Cloud

pytestmark = pytest.mark.component

BODY = b'{"TableName":"orders"}'


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in UNUSUAL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@pytest.fixture
def calls(cloud: Cloud) -> Iterator[list[BotoCall]]:
    calls = [kind(region="us-east-1", endpoint=cloud.endpoint) for kind in (BotoCall, LeanCall)]
    yield calls
    for call in calls:
        call.close()


@pytest.mark.parametrize("token", ["", "a-session's token=="])
@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
def test_a_request_is_signed_as_botocore_signs_it(monkeypatch: pytest.MonkeyPatch, service: str, token: str) -> None:
    import os

    from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    host = f"{service}.eu-central-1.amazonaws.com"
    headers = {"host": host, "content-type": "application/x-amz-json-1.0", "x-amz-target": "X.Y"}
    ours = signed(headers, BODY, service=service, region="eu-central-1", now=now)

    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], token or None)
    theirs = AWSRequest("POST", f"https://{host}/", headers=dict(headers), data=BODY)
    auth = SigV4Auth(keys, service, "eu-central-1")
    stamp = now.strftime(SIGV4_TIMESTAMP)
    theirs.context["timestamp"] = stamp
    theirs.headers["X-Amz-Date"] = stamp
    if token:
        theirs.headers["X-Amz-Security-Token"] = token
    canonical = auth.canonical_request(theirs)
    signature = auth.signature(auth.string_to_sign(theirs, canonical), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(theirs))}" in ours["authorization"]


def ask(call: BotoCall, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
    """The reply without what describes it, or the refusal."""
    try:
        reply = asyncio.run(call(service, operation, parameters))
    except AwsError as error:
        return error.code, error.status, error.reasons
    return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


def test_replies_and_refusals_are_those_of_botocore(cloud: Cloud, calls: list[BotoCall]) -> None:
    table = f"lean-{next(cloud._tables)}"
    schema = {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    }
    ask(calls[0], "dynamodb", "CreateTable", {"TableName": table, **schema})
    item = {"pk": {"S": "ä"}, "d": {"B": bytes(range(256))}, "n": {"N": "7"}, "l": {"L": [{"B": b""}]}}
    key = {"pk": {"S": "ä"}}
    put = {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    requests: list[tuple[str, str, Mapping[str, Any]]] = [
        ("dynamodb", "PutItem", {"TableName": table, "Item": item}),
        ("dynamodb", "GetItem", {"TableName": table, "Key": key}),
        ("dynamodb", "BatchGetItem", {"RequestItems": {table: {"Keys": [key]}}}),
        ("dynamodb", "PutItem", put),
        ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": put}]}),
        ("dynamodb", "GetItem", {"TableName": "nobody's", "Key": key}),
        ("dynamodb", "GetItem", {"TableName": "no-such-table", "Key": key}),
        ("sqs", "GetQueueUrl", {"QueueName": "no-such-queue"}),
        ("sqs", "CreateQueue", {"QueueName": table}),
        ("sqs", "GetQueueUrl", {"QueueName": table}),
        ("sqs", "SendMessage", {"QueueUrl": f"{cloud.endpoint}/123456789012/nowhere", "MessageBody": "x"}),
        ("s3", "GetObject", {"Bucket": f"{table}-no-such-bucket", "Key": "x"}),
    ]
    for request in requests:
        botocore, ours = (ask(call, *request) for call in calls)
        assert ours == botocore, request


def test_a_message_goes_through(cloud: Cloud, calls: list[BotoCall]) -> None:
    _, call = calls
    url = ask(call, "sqs", "CreateQueue", {"QueueName": f"lean-{next(cloud._tables)}"})["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": f'["{n}","ü"]'} for n in range(3)]
    assert len(ask(call, "sqs", "SendMessageBatch", {"QueueUrl": url, "Entries": entries})["Successful"]) == 3
    asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["ApproximateReceiveCount"]}
    messages = ask(call, "sqs", "ReceiveMessage", asked)["Messages"]
    assert sorted(message["Body"] for message in messages) == [entry["MessageBody"] for entry in entries]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in messages} == {"1"}


class Service(threading.Thread):
    """Answers every request with an empty object; closes the connection after `each` of them."""

    def __init__(self, each: int, context: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        self.connections = 0
        self._each = each
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.join()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                for _ in range(self._each):
                    request = b""
                    while not request.endswith(b"\r\n\r\n{}"):
                        request += connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_replaced() -> None:
    """As services do with a container that was frozen for long."""
    with Service(each=2) as service:
        call = LeanCall(region="us-east-1", endpoint=f"http://localhost:{service.port}")
        for connections in (1, 2):
            for _ in range(2):
                assert ask(call, "dynamodb", "ListTables", {}) == {}
                assert service.connections == connections
            ((kept,),) = call._idle.values()
            assert select.select([kept.sock], [], [], 10)[0]  # by now we have been told
        call.close()


def test_who_is_trusted_is_what_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = tmp_path / "authority.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(authority))
    lean._trusted.cache_clear()
    with Service(each=1, context=context) as service:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        call = LeanCall(region="us-east-1", endpoint=f"https://localhost:{service.port}")
        assert ask(call, "dynamodb", "ListTables", {}) == {}
        call.close()
    lean._trusted.cache_clear()


def _self_signed(path: Path) -> Path:
    """A certificate of localhost, with its key."""
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-amz-crc32: 1\r\n\r\n{}",
    ],
    ids=["nothing", "a half", "nonsense", "damaged"],
)
def test_a_reply_that_does_not_come_whole_may_be_asked_for_again(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        call = LeanCall(region="us-east-1", endpoint=f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(AwsError) as refused:
            asyncio.run(call("dynamodb", "ListTables", {}))
        thread.join()
        call.close()
    assert refused.value.is_momentary


def test_nobody_there_is_momentary_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(AwsError) as refused:
        asyncio.run(LeanCall(region="us-east-1", endpoint=f"http://127.0.0.1:{port}")("sqs", "ListQueues", {}))
    assert refused.value.is_momentary


@pytest.mark.parametrize(
    ("variables", "region", "endpoint", "expected"),
    [
        ({}, "eu-central-1", None, True),
        ({}, "cn-north-1", None, True),
        ({}, "us-iso-east-1", None, False),
        ({}, "us-iso-east-1", "http://127.0.0.1:1", True),
        ({}, None, None, False),
        ({"AWS_ACCESS_KEY_ID": ""}, "eu-central-1", None, False),  # SnapStart has them elsewhere
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "us-east-1", None, False),
        ({"HTTPS_PROXY": "http://proxy"}, "us-east-1", None, False),
    ],
)
def test_what_only_botocore_understands_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], region: str | None, endpoint: str | None, expected: bool
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert can_be_lean(region, endpoint) is expected
    assert (type(function_call(region=region, endpoint=endpoint)) is LeanCall) is expected


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-central-1", "dynamodb.eu-central-1.amazonaws.com"), ("cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn")],
)
def test_the_service_is_where_botocore_finds_it(monkeypatch: pytest.MonkeyPatch, region: str, host: str) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert LeanCall(region=region)._base("dynamodb") == f"https://{host}"
    assert BotoCall(region=region).client("dynamodb").meta.endpoint_url == f"https://{host}"
