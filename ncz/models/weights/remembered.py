"""What was agreed to and what was seen, one small file a fact, beside the models."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ncz.codec.cache import write_whole
from ncz.models.weights.manifest import Weights, named
from ncz.models.weights.store import models_folder


def accepted(name: str) -> bool:
    """Whether the terms of the model that ncz knows by that name, if any, were accepted here."""
    weights = named(name)
    return not weights.consent or _read(_terms(weights)) == weights.terms_url


def accept(weights: Weights) -> None:
    """The user agrees to the terms as they are behind their address today."""
    _write(_terms(weights), weights.terms_url)


def seen(url: str) -> str | None:
    """SHA-256, in hex, of what `url` delivered first, None if it delivered nothing yet."""
    return _read(_first(url))


def see(url: str, sha256: str) -> None:
    """Remember what `url` delivered."""
    _write(_first(url), sha256)


def _terms(weights: Weights) -> Path:
    return models_folder() / "accepted" / weights.name


def _first(url: str) -> Path:
    return models_folder() / "seen" / hashlib.sha256(url.encode()).hexdigest()[:32]


def _read(path: Path) -> str | None:
    return path.read_text("utf-8").strip() if path.exists() else None


def _write(path: Path, text: str) -> None:
    write_whole(path, f"{text}\n".encode())
