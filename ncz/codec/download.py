"""Fetching a file over HTTP, going on where an interrupted attempt stopped.

Nothing here says that what arrives is what was wanted: the caller compares its SHA-256 before
it gives the file its final name.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

_PIECE = 1 << 18
_TIMEOUT_S = 60.0
_TRIES = 4  # each going on where the last one stopped

Arrived = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and how many there will be if the server says."""


def download(
    url: str, arriving: Path, progress: Arrived | None = None, *, checked: bool = True
) -> None:
    """Fetches `url` into the file `arriving`, and goes on if a part of it is there.

    The server's mark of the version (its ETag) is kept beside the file until it is whole, so
    that two versions are not mixed.

    Args:
        url: an address of http or https.
        arriving: the file; what has arrived stays there when this raises.
        progress: told how far it is.
        checked: whether the caller knows the digest of the whole. If not, a part is gone on
            with only where the server marks versions.

    Raises:
        OSError: the server does not deliver, or the disk does not take it.
        http.client.HTTPException: it does not speak HTTP, or ends too early each time.
    """
    for attempt in range(_TRIES):
        try:
            _go_on(url, arriving, progress, checked)
            return
        except (http.client.IncompleteRead, ConnectionError, TimeoutError):
            if attempt == _TRIES - 1:
                raise


def reason_of(error: OSError | http.client.HTTPException) -> str:
    """Why a download failed, in a few words, without the wrapping of urllib."""
    inner = getattr(error, "reason", None) or error
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


def discard(arriving: Path) -> None:
    """Removes what has arrived, and the mark beside it."""
    arriving.unlink(missing_ok=True)
    _mark_of(arriving).unlink(missing_ok=True)


def _go_on(url: str, arriving: Path, progress: Arrived | None, checked: bool) -> None:
    marked = _mark_of(arriving)
    mark = marked.read_text("latin-1") if marked.exists() else ""
    if not mark and not checked:
        arriving.unlink(missing_ok=True)
    have = arriving.stat().st_size if arriving.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "ncz"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if mark:
            request.add_header("If-Range", mark)  # another version is sent from its start
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                marked.unlink(missing_ok=True)
                return  # everything had arrived already
            discard(arriving)  # the file behind the address is another one now
            return _go_on(url, arriving, progress, checked)
        raise
    with response:
        goes_on = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = have if goes_on else 0
        tag = response.headers.get("ETag", "")
        length = response.headers.get("Content-Length")
        expected = None if length is None else start + int(length)
        if tag.startswith('"'):  # a weak one (W/"…") does not promise equal bytes
            marked.write_text(tag, "latin-1")
        else:
            marked.unlink(missing_ok=True)
        arrived = start
        with arriving.open("ab" if goes_on else "wb") as out:
            while piece := response.read(_PIECE):
                out.write(piece)
                arrived += len(piece)
                if progress is not None:
                    progress(arrived, expected)
        # read() ends quietly when the connection does: only the count tells.
        if expected is not None and arrived < expected:
            raise http.client.IncompleteRead(b"", expected - arrived)
    marked.unlink(missing_ok=True)


def _mark_of(arriving: Path) -> Path:
    return arriving.with_name(f"{arriving.name}.etag")
