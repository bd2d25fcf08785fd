"""AWS in one process: moto plays DynamoDB, SQS and S3; a loop plays what hands messages to the function.

$ python local_stack.py
"""

import json
import logging
import os
import threading
import time

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "aws_order",
}
"""As on Lambda, the environment says where everything is. Nothing here is a secret."""


class Stack:
    """The services, and the function that they call."""

    def __enter__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        services, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

        def one_at_a_time(environ, start):  # moto is not atomic by itself, and AWS is
            with lock:
                return [b"".join(services(environ, start))]

        self._server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        os.environ |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.port}"}

        from botocore.session import get_session
        from function import handler

        self._sqs = get_session().create_client("sqs")
        self._handler = handler
        return self

    def __exit__(self, *_):
        self._handler.close()
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event):
        """What Lambda does."""
        return self._handler(event, self)

    def get_remaining_time_in_millis(self):
        """Part of the context that a handler gets: how long it may take."""
        return 30_000

    def request(self, method, path, body=None):
        """What a Function URL does: the status and the body of the answer."""
        event = {
            "version": "2.0",
            "rawPath": path,
            "requestContext": {"http": {"method": method, "path": path}},
            "body": json.dumps(body),
        }
        answer = self.invoke(event)
        return answer["statusCode"], json.loads(answer["body"])

    def pump(self):
        """What an event-source mapping does: receive, invoke, remove what was answered; until nothing comes."""
        found = True
        while found:
            found = False
            for url in self._sqs.list_queues().get("QueueUrls", []):
                if url.endswith("-dead"):
                    continue
                messages = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
                if not messages:
                    continue
                found = True
                print(f"  {len(messages)} from {url.rpartition('/')[2]}")
                records = [
                    {"messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"], "body": one["Body"]}
                    for one in messages
                ]
                failures = self.invoke({"Records": records})["batchItemFailures"]
                failed = {failure["itemIdentifier"] for failure in failures}
                for one in messages:
                    if one["MessageId"] not in failed:
                        self._sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])

    def sweep(self):
        """What a schedule does once a minute."""
        self.invoke({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})


def main():
    """An order that a person approves, from the request to the result."""
    with Stack() as stack:
        order = {"id": "order-1", "arguments": {"items": ["a lamp", "a rug"], "cents": 12_000}}
        print("POST /workflows/fulfil", *stack.request("POST", "/workflows/fulfil", order))
        stack.pump()
        _, status = stack.request("GET", "/instances/order-1")
        print("GET /instances/order-1", status["status"], status["custom_status"])
        print("POST …/events/approved", *stack.request("POST", "/instances/order-1/events/approved", True))
        stack.pump()
        print("GET …/result", *stack.request("GET", "/instances/order-1/result"))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.1f} s")
