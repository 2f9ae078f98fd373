"""The magic and the header of a member: everything that decoding its blocks depends on."""

from __future__ import annotations

from dataclasses import dataclass

from ncz.codec import varint
from ncz.codec.checks import x32
from ncz.codec.coder import CoderSpec, ModelRef
from ncz.codec.errors import FormatError, UnsupportedError
from ncz.models.weights import manifest

MAGIC = b"\x89NCZ\r\n\x1a\n"
VERSION = 1
BYTES = 0  # the format whose one payload is the content
PICTURE = 1  # its payload is what is kept of a picture: see ncz/formats/picture
FORMATS = {BYTES: "bytes", PICTURE: "picture"}

MAX_BODY = 65_536
MAX_BLOCK_SIZE = 1 << 30
MAX_CODERS = 64
MAX_PARAMS = 4_096
MAX_MODELS = 16
MAX_NAME = 255
_DIGEST_SIZE = 32


@dataclass(frozen=True)
class Header:
    """What the header of a member says.

    Attributes:
        coders: every coder that a block may name, by its index here.
        block_size: the largest raw size of a block, 1 to 2^30.
        format: how payloads make up the content.
        format_params: parameters of the format.
        models: what the coders need.
    """

    coders: tuple[CoderSpec, ...]
    block_size: int
    format: int = BYTES
    format_params: bytes = b""
    models: tuple[ModelRef, ...] = ()


def pack(header: Header) -> bytes:
    """The bytes of magic and header."""
    body = bytearray(varint.encode(header.format))
    body += varint.encode(len(header.format_params)) + header.format_params
    body += varint.encode(header.block_size)
    body += varint.encode(len(header.coders))
    for coder in header.coders:
        body += varint.encode(coder.id) + varint.encode(len(coder.params)) + coder.params
    body += varint.encode(len(header.models))
    known = _numbered()
    for model in header.models:
        if model in known:
            body += varint.encode(1 + known.index(model))
        else:
            name = model.name.encode()
            body += varint.encode(0) + model.digest + varint.encode(len(name)) + name
    out = MAGIC + bytes([VERSION]) + varint.encode(len(body)) + body
    return out + x32(out).to_bytes(4, "little")


def parse(data: bytes | bytearray) -> tuple[Header, int]:
    """The header at the start of `data`, and its size with magic and check.

    Raises:
        varint.Incomplete: `data` ends inside of what may become a header.
        UnsupportedError: it needs a newer ncz.
        FormatError: this is no .ncz file, or its header is damaged.
    """
    check_magic(data)
    if len(data) <= len(MAGIC):
        raise varint.Incomplete
    if data[len(MAGIC)] != VERSION:
        raise UnsupportedError(
            f"this file is in version {data[len(MAGIC)]} of the .ncz format and this ncz knows "
            f"version {VERSION}; install a newer ncz"
        )
    try:
        size, start = varint.decode(data, len(MAGIC) + 1)
    except ValueError:
        raise FormatError("the header is damaged: its size is not a number") from None
    if size > MAX_BODY:
        raise FormatError(f"the header is damaged: it declares {size} bytes")
    end = start + size
    if len(data) < end + 4:
        raise varint.Incomplete
    if x32(memoryview(data)[:end]) != int.from_bytes(data[end : end + 4], "little"):
        raise FormatError("the header is damaged: its check does not hold")
    try:
        return _parse_body(bytes(data[start:end])), end + 4
    except (varint.Incomplete, ValueError) as error:
        raise FormatError(f"the header breaks the format: {error or 'it ends too early'}") from None


def check_magic(data: bytes | bytearray) -> None:
    """Pass if `data` starts like a member, as far as it goes.

    Raises:
        FormatError: it does not.
    """
    if data[: len(MAGIC)] == MAGIC[: len(data)]:
        return
    if bytes(data[1:4]) == MAGIC[1:4]:
        raise FormatError(
            "the first bytes of this .ncz file are damaged, as by a transfer in text mode; "
            "transfer it again in binary mode"
        )
    raise FormatError("this is not an .ncz file")


def _parse_body(body: bytes) -> Header:
    cursor = _Cursor(body)
    format_ = cursor.number("the format's id")
    format_params = cursor.take(cursor.number("the format's parameter size", 0, MAX_BODY))
    block_size = cursor.number("the block size", 1, MAX_BLOCK_SIZE)
    coders = tuple(
        CoderSpec(
            cursor.number("a coder's id"),
            cursor.take(cursor.number("a coder's parameter size", 0, MAX_PARAMS)),
        )
        for _ in range(cursor.number("the number of coders", 1, MAX_CODERS))
    )
    models = tuple(
        _model(cursor) for _ in range(cursor.number("the number of models", 0, MAX_MODELS))
    )
    if format_ not in FORMATS:
        raise UnsupportedError(
            f"this file is of format {format_}, which this ncz does not know; install a newer ncz"
        )
    if format_ == PICTURE:
        from ncz.formats.picture import params

        params.parse(format_params)
    elif format_params:
        raise ValueError("its format has no parameters, and here are some")
    if cursor.position != len(body):
        raise ValueError("bytes follow its last entry")
    return Header(coders, block_size, format_, format_params, models)


def _model(cursor: _Cursor) -> ModelRef:
    number = cursor.number("a model's number")
    if number == 0:
        digest = cursor.take(_DIGEST_SIZE)
        name = cursor.take(cursor.number("a model's name size", 0, MAX_NAME))
        return ModelRef(digest, name.decode())
    known = _numbered()
    if number > len(known):
        raise UnsupportedError(
            f"this file needs model {number}, which this ncz does not know; install a newer ncz"
        )
    return known[number - 1]


def _numbered() -> list[ModelRef]:
    return [ModelRef(digest, name) for digest, name in manifest.numbered()]


class _Cursor:
    """A place in a header body."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position = 0

    def number(self, what: str, low: int = 0, high: int = varint.LIMIT - 1) -> int:
        value, self.position = varint.decode(self.body, self.position)
        if not low <= value <= high:
            raise ValueError(f"{what} is {value} and may be {low} to {high}")
        return value

    def take(self, size: int) -> bytes:
        if size > len(self.body) - self.position:
            raise varint.Incomplete
        self.position += size
        return self.body[self.position - size : self.position]
