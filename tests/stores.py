"""An S3-compatible server on loopback, and a proxy before it that misbehaves as a test wants."""

from __future__ import annotations

import http.client
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Fault:
    """status: answered instead of the object · cut, wrong: after so many bytes of the answer the connection ends, or one byte is
    another one · pause_s: before the answer, which then comes."""

    status: int = 0
    cut: int | None = None
    wrong: int | None = None
    pause_s: float = 0.0


NONE = Fault()


class Proxy:
    """Passes requests on to a server. fault: (method, path, requests of this method and path before) → Fault."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.fault: Callable[[str, str, int], Fault] = lambda method, path, before: NONE
        self.seen: Counter[tuple[str, str]] = Counter()
        self.sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, method: str, ending: str = "") -> int:
        """Requests so far for paths with this end."""
        return sum(times for (kind, path), times in self.seen.items() if kind == method and path.endswith(ending))


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            before = proxy.seen[self.command, path]
            proxy.seen[self.command, path] += 1
            fault = proxy.fault(self.command, path, before)
            time.sleep(fault.pause_s)
            if fault.status:
                self.send_response(fault.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._pass_on(fault)

        do_HEAD = do_GET

        def _pass_on(self, fault: Fault) -> None:
            target = http.client.HTTPConnection(proxy.target)
            target.request(self.command, self.path, headers=dict(self.headers))
            answer = target.getresponse()
            body = bytearray(answer.read())
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            if not answer.getheader("Content-Length"):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault.wrong is not None and len(body) > fault.wrong:
                body[fault.wrong] ^= 1
            if fault.cut is not None and len(body) > fault.cut:
                body = body[: fault.cut]
                self.close_connection = True
            proxy.sent += len(body)
            with suppress(ConnectionError):  # who asked has heard enough
                self.wfile.write(body)
            target.close()

        def log_message(self, *parts: Any) -> None:
            return None

    return Handler


@contextmanager
def s3_server() -> Iterator[str]:
    """moto's server in a thread; its URL. What is put there is gone with it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """A plain web server of a folder, which answers no requests for ranges; its URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts, directory=str(folder))

        def log_message(self, *parts: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def upload(folder: Path, endpoint: str, bucket: str, prefix: str = "data") -> str:
    """Every file of a folder → s3://BUCKET/PREFIX/…; returns that URL."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=bucket)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(
                Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes(), ACL="public-read"
            )
    return f"s3://{bucket}/{prefix}"


@contextmanager
def way_to(server: str, monkeypatch: pytest.MonkeyPatch, cache: Path, *, wait_s: float = 2.0) -> Iterator[Proxy]:
    """A proxy before the server as the environment's S3, with a cache of the test's own and little patience."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CTT_RAY_CACHE", str(cache))
    monkeypatch.setenv("CTT_RAY_STORE_WAIT_S", str(wait_s))
    with Proxy(server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
