"""Where a prepared data set lies: a folder, or a URL of a store.

s3:// and gs:// are read by pyarrow's own clients, http and https by Python's, everything else (hf, az, ...) by fsspec.
Credentials come from the environment of each store's client and are never part of a URL, so a URL can be shown and written
to files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from data_prep.errors import DataError
from data_prep.store.patience import Patience, patiently
from data_prep.store.remote import RemoteFile

CONNECT_S = 5.0
SILENT_S = 15.0  # a server that sends nothing for so long has hung
SMALL = 1 << 22
WEB = ("http://", "https://")
S3_OPTIONS = ("region", "endpoint_override", "scheme", "anonymous")


def is_url(data: str | Path) -> bool:
    """Whether a data set is read from a store; file:// is a folder like any other."""
    return "://" in str(data) and not str(data).startswith("file://")


def as_folder(data: str | Path) -> Path:
    """The folder behind a path or a file:// URL."""
    text = str(data)
    return Path(unquote(urlsplit(text).path)) if text.startswith("file://") else Path(data)


@dataclass(frozen=True)
class Place:
    """A data set in a store. Pickles as its URL: each process connects for itself. patience: with a store that fails."""

    url: str
    patience: Patience = field(default_factory=Patience.usual)

    def __post_init__(self) -> None:
        """Raises DataError for a URL that holds credentials."""
        if "@" in urlsplit(self.url).netloc:
            bare = urlsplit(self.url).netloc.rpartition("@")[2]
            raise DataError(
                f"the URL of the data at {bare} holds credentials, and URLs are written to logs and files. "
                "Give them by the environment (docs/data.md) and take them out of the URL."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "patience": self.patience}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def of(self, name: str) -> str:
        """The URL of a file in it, for messages."""
        return f"{self.url.partition('?')[0].rstrip('/')}/{name}"

    def read(self, name: str) -> bytes:
        """A small file, whole. Raises FileNotFoundError where there is none, DataError where the store stays away."""

        parts = []
        with self.stream(name) as file:
            while part := file.read(SMALL):
                parts.append(part)
        return b"".join(parts)

    def names(self, folder: str) -> list[str]:
        """Names of the files in one of its folders; none where the folder is absent or the store cannot list (http)."""
        if self._web:
            return []
        import pyarrow.fs as fs

        def once() -> list[str]:
            where = fs.FileSelector(self._path(folder), allow_not_found=True)
            return sorted(info.base_name for info in self.filesystem.get_file_info(where) if info.is_file)

        try:
            return patiently(once, self.of(folder), self.patience)
        except FileNotFoundError:
            return []

    def stream(self, name: str) -> RemoteFile:
        """A file to be read from its beginning to its end."""
        return RemoteFile(self._opener(name), self.of(name), self.patience, stream=self._web)

    def file(self, name: str) -> RemoteFile:
        """A file to be read in any order. Reads raise ValueError where the store cannot do that."""
        return RemoteFile(self._opener(name), self.of(name), self.patience, stream=False)

    @property
    def _web(self) -> bool:
        return self.url.startswith(WEB)

    def _opener(self, name: str) -> Callable[[], Any]:
        if self._web:
            from data_prep.store.web import WebFile

            return partial(WebFile, self.of(name), SILENT_S)
        return lambda: self.filesystem.open_input_file(self._path(name))

    @property
    def filesystem(self) -> Any:
        return self._opened[0]

    def _path(self, name: str) -> str:
        return f"{self._opened[1].rstrip('/')}/{name}"

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """pyarrow.fs.FileSystem and the data set's path in it."""
        scheme = self.url.partition("://")[0]
        opener = {"s3": _s3, "s3a": _s3, "gs": _gs, "gcs": _gs}.get(scheme, _other)
        return opener(self.url)


def _s3(url: str) -> tuple[Any, str]:
    import pyarrow.fs as fs

    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(set(options) - set(S3_OPTIONS)):
        raise DataError(f"{url.partition('?')[0]}: unknown option {unknown[0]}; there are: {', '.join(S3_OPTIONS)}.")
    endpoint = (
        options.get("endpoint_override")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or None
    )
    filesystem = fs.S3FileSystem(
        region=options.get("region") or _region(parts.netloc, endpoint),
        endpoint_override=endpoint,
        scheme=options.get("scheme") or ("http" if (endpoint or "").startswith("http://") else None),
        anonymous=options.get("anonymous", "").lower() in ("1", "true"),
        connect_timeout=CONNECT_S,
        request_timeout=SILENT_S,
        retry_strategy=fs.AwsDefaultS3RetryStrategy(max_attempts=0),  # tries are counted in one place, patience.py
    )
    return filesystem, parts.netloc + parts.path


def _region(bucket: str, endpoint: str | None) -> str | None:
    """As AWS's own tools find it; else the bucket is asked. A store that is not AWS has none."""
    import pyarrow.fs as fs

    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if named or endpoint:
        return named or None
    try:
        return str(fs.resolve_s3_region(bucket))
    except OSError:  # whatever is wrong shows when the manifest is read
        return None


def _gs(url: str) -> tuple[Any, str]:
    import pyarrow.fs as fs

    parts = urlsplit(url)
    anonymous = dict(parse_qsl(parts.query)).get("anonymous", "").lower() in ("1", "true")
    limit = timedelta(seconds=SILENT_S)
    return fs.GcsFileSystem(anonymous=anonymous, retry_time_limit=limit), parts.netloc + parts.path


def _other(url: str) -> tuple[Any, str]:
    from data_prep.store import other

    return other.opened(url)
