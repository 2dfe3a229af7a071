"""http and https, by ranges where the server answers them, else from the beginning."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

PARTIAL, WHOLE = 206, 200


class NoRanges(ValueError):
    """The server sends whole objects only."""


class WebFile:
    """One object at a URL. timeout_s: for the connection, and for the server's next bytes. Errors as urllib raises them."""

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self._url = urlunsplit(parts._replace(path=quote(parts.path, safe="/%")))
        self._timeout_s = timeout_s
        self._stream: http.client.HTTPResponse | None = None
        self._left = 0

    def read(self, size: int) -> bytes:
        """The next bytes from the beginning on. Raises ConnectionError where the server ends before it said."""
        if self._stream is None:
            self._stream = self._answer({})
            self._left = int(self._stream.headers.get("Content-Length", -1))
        part = self._stream.read(size)
        self._left -= len(part)
        if not part and self._left > 0:
            raise ConnectionError(f"the server ended {self._left} bytes too early")
        return part

    def read_at(self, size: int, place: int) -> bytes:
        """At most `size` bytes from `place` on; none behind the end. Raises NoRanges."""
        size = min(size, self.size() - place)
        if size <= 0:
            return b""
        with self._answer({"Range": f"bytes={place}-{place + size - 1}"}) as answer:
            if answer.status != PARTIAL:
                raise NoRanges(f"{self._url} is sent whole only")
            part = answer.read(size)
        if len(part) < size:
            raise ConnectionError(f"the server sent {len(part)} of {size} bytes")
        return bytes(part)

    def size(self) -> int:
        """Raises NoRanges where the server tells no size."""
        if self._left <= 0:
            with self._answer({}, method="HEAD") as answer:
                self._left = int(answer.headers.get("Content-Length", 0))
        if self._left <= 0:
            raise NoRanges(f"{self._url} has no length")
        return self._left

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _answer(self, headers: dict[str, str], method: str = "GET") -> Any:
        request = Request(self._url, headers={"Accept-Encoding": "identity", **headers}, method=method)
        return urlopen(request, timeout=self._timeout_s)
