"""Whatever fsspec reads, as a file system of pyarrow's."""

from __future__ import annotations

from typing import Any

import fsspec
import pyarrow as pa
from pyarrow.fs import FSSpecHandler, PyFileSystem

from data_prep.errors import DataError


class _Handler(FSSpecHandler):
    def open_input_file(self, path: str) -> Any:
        """Without pyarrow's question whether there is such a file, to which a failing store answers no."""
        return pa.PythonFile(self.fs.open(path, mode="rb"), mode="r")


def opened(url: str) -> tuple[Any, str]:
    """pyarrow.fs.FileSystem and the path in it. Raises DataError where nothing is installed that reads such a URL."""
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise DataError(
            f"data at {url}: {error}. Install what reads such URLs, or use s3://, gs:// or https://."
        ) from None
    return PyFileSystem(_Handler(filesystem)), path
