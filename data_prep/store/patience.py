"""How long to put up with a store that fails: tries with growing pauses, none for what another try cannot mend."""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from data_prep.errors import DataError

WAIT = "CTT_RAY_STORE_WAIT_S"
SAID_FROM = 3  # failures that are not worth a line: two in a row are usual on a busy store
RETRIED_STATUS = (408, 425, 429)  # of HTTP's 400 to 499
DENIED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|INVALID_SIGNATURE|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN"
    r"|UNRECOGNIZED_CLIENT|MISSING_AUTHENTICATION|PERMISSION_DENIED|UNAUTHENTICATED|HTTP status 40[13]\b"
)
ABSENT = re.compile(r"NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|NOT_FOUND|HTTP status (404|410)\b")
WRONG = re.compile(r"HTTP status (30\d|400|405|416)\b")
CREDENTIALS = (
    "Give credentials the way the store's own tools take them (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "AWS_PROFILE, or the machine's role), or add ?anonymous=true for a public bucket. A store that forbids listing says "
    "the same of a file that is not there"
)
CLIENTS = ("http", "aiohttp", "fsspec", "botocore", "requests", "httpx", "huggingface_hub")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """wait_s: pauses between tries add up to so much; 0 = one try. Time inside a try is bounded by the client's timeouts."""

    wait_s: float = 120.0
    first_s: float = 0.25
    longest_s: float = 30.0

    @classmethod
    def usual(cls) -> Patience:
        """By the environment. Raises DataError for what is no number of seconds."""
        text = os.environ.get(WAIT, "")
        try:
            return cls(wait_s=float(text)) if text else cls()
        except ValueError:
            raise DataError(f"{WAIT}={text}: needed is a number of seconds, such as 120.") from None

    def pauses(self, seed: str) -> Iterator[float]:
        """Seconds to wait after each failed try: doubled each time, then scattered by up to half, so that many processes
        do not come back in step."""
        draw = random.Random(seed)
        spent, pause = 0.0, self.first_s
        while spent + pause <= self.wait_s:
            yield pause * draw.uniform(0.5, 1.5)
            spent, pause = spent + pause, min(2 * pause, self.longest_s)


class Unreachable(DataError):
    """The store did not answer, however often it was asked."""


def patiently(
    action: Callable[[], Result], url: str, patience: Patience, sleep: Callable[[float], None] = time.sleep
) -> Result:
    """`action`, again and again until it works.

    Raises FileNotFoundError where the store says there is no such file, DataError for what else another try cannot mend,
    Unreachable when patience ends."""
    pauses = patience.pauses(f"{os.getpid()} {url}")
    tries = 0
    while True:
        tries += 1
        try:
            return action()
        except Exception as error:
            if not (isinstance(error, OSError) or _from_client(error)):
                raise
            _refuse_permanent(error, url)
            pause, last = next(pauses, None), error
        if pause is None:
            raise Unreachable(
                f"{url} could not be read in {tries} tries: {brief(last)}. Check the network and the store (S3-compatible "
                f"ones are named by AWS_ENDPOINT_URL); the same command goes on. {WAIT} says how long to try."
            ) from None
        if tries >= SAID_FROM:
            print(f"store: {url}: {brief(last)}; try {tries + 1} in {pause:.0f} s", file=sys.stderr, flush=True)
        sleep(pause)


def brief(error: BaseException) -> str:
    """An error in one line: some clients' messages are empty, others hold a page of HTML."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _refuse_permanent(error: BaseException, url: str) -> None:
    text = f"{error}"
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or ABSENT.search(text) or status in (404, 410):
        raise FileNotFoundError(f"there is no {url}") from None
    if isinstance(error, PermissionError) or DENIED.search(text) or status in (401, 403):
        raise DataError(f"{url}: the store denies access ({brief(error)}). {CREDENTIALS}.") from None
    refused = isinstance(status, int) and 300 <= status < 500 and status not in RETRIED_STATUS
    if refused or WRONG.search(text):
        raise DataError(
            f"{url}: the store refuses the request ({brief(error)}). Check the URL, its region and AWS_ENDPOINT_URL."
        ) from None


def _from_client(error: BaseException) -> bool:
    """fsspec's clients raise kinds of their own."""
    return type(error).__module__.partition(".")[0] in CLIENTS
