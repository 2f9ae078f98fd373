"""What a level means: the coders to choose from, and how much goes into a block.

A level is the encoder's affair alone. Everything the decoder needs is in the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ncz.codec.coder import Coder, CoderSpec, ModelRef
from ncz.codec.errors import ModelMissing, NczError
from ncz.formats import coders
from ncz.formats.coders import Cut

if TYPE_CHECKING:
    from ncz.formats.pixels.raster import Raster

ENCODER = 1
"""What the encoder makes of the same content and options. Raised with every change of the bytes
that is no coder's revision and no format version. It stands in no file, for no reader needs it."""
LEVELS = range(1, 10)
DEFAULT = 6
"""What is taken where nothing says otherwise; the command takes :data:`DEFAULT_TEXT` for text."""
DEFAULT_TEXT = 7
MODEL_LEVELS = range(7, 10)
"""The levels that use a language model."""

_MIXING = 6  # the level of context mixing that stands beside the language model
_ZSTD_LEVEL = 3
_MIB = 1 << 20
_OF_PICTURES = 5  # the first level that looks for pictures
_WHOLE = 256 * _MIB  # of a picture's file that cannot be cut, and of its pixels
_OF_RECORDS = (coders.RECORDS, coders.CIRCUIT)
_RECORDS_BLOCK = 4 * _MIB  # as a matrix of integers it is many times as large
WINDOWS = {7: (2048, 1536, 512), 8: (4096, 2048, 1024), 9: (8192, 4096, 0)}
"""Window, hop and prefix in tokens."""
_TWO_MODELS = 9  # the level that asks LARGER, too, where this machine has it
LARGER = "gemma3-270m"
"""The model that level 9 takes, too, if it was pulled and its terms accepted. It knows more, so its
tokens are coded, and the default model stands beside it."""


@dataclass(frozen=True)
class Plan:
    """How to code a stream.

    Attributes:
        coders: what a block may be coded by, as listed in the header; the first one stores.
        block_size: raw bytes of every block but the last, 1 to 2^30.
        models: what the coders need, as listed in the header; these coders come last.
        verify: whether blocks are decoded before they are written; None: if their coder is not
            exact. Never in the file.
        cut: where a block that starts with some bytes ends best, within so many; None: at the end
            of these.
        only: a block that no circuit codes is an error; a circuit codes it whatever it takes.
        pictures: a file that starts like a picture may have its coder, too: see :func:`pictured`.
        whole: the most bytes of a block that is a whole file, where a picture's cannot be cut: see
            :func:`kept_whole`. None: no block is larger than others.
    """

    coders: tuple[Coder, ...]
    block_size: int
    models: tuple[ModelRef, ...] = ()
    verify: bool | None = None
    cut: Cut | None = None
    only: bool = False
    pictures: bool = False
    whole: int | None = None

    @property
    def open(self) -> bool:
        """It is not :func:`decided`."""
        ids = [coder.spec.id for coder in self.coders]
        return all(number in ids for number in _OF_RECORDS)

    @property
    def memory(self) -> int:
        """Bytes of working memory for one block."""
        most = max(coder.memory(self.block_size) for coder in self.coders)
        return most + (self.block_size if any(map(self.verifies, self.coders)) else 0)

    def verifies(self, coder: Coder) -> bool:
        """Whether what `coder` makes of a block is decoded before it is written."""
        return not coder.exact if self.verify is None else self.verify

    def lean(self, used: int | None) -> Plan:
        """The same without models, for a member that needs none.

        Args:
            used: index of the coder of the member's only block, None if it has no block.
        """
        plain = tuple(coder for coder in self.coders if coder.spec.id not in coders.WITH_MODELS)
        if used is not None and self.coders[used] not in plain:
            return self
        if used is None or self.coders[used].spec.id != coders.PIXELS:
            plain = tuple(coder for coder in plain if coder.spec.id != coders.PIXELS)
        return replace(self, coders=plain, models=())


def plan(
    level: int,
    block_size: int | None = None,
    streams: int | None = None,
    gguf: Path | None = None,
    circuit: Path | None = None,
    only: bool = False,
) -> Plan:
    """The plan of `level`, 1 to 9, with another block size or number of streams where given.

    At levels 7 to 9, `gguf` is read by llama.cpp in place of the default model. Below, a `circuit`
    codes records, or else, if `only` it may, a block is an error.

    Raises:
        ValueError: there is no such level.
        ModelMissing: the level's language model is not on this machine.
        MissingExtra, ModelError: llama.cpp is not, or cannot use `gguf`.
    """
    if level not in LEVELS:
        raise ValueError(f"levels are 1 to 9, not {level}")
    size = size_of_blocks(level, block_size)
    whole = _WHOLE if block_size is None else None
    if level == 1 and circuit is None:
        return Plan((coders.store(), coders.zstd(_ZSTD_LEVEL)), size)
    mixing = coders.contextmix(max(2, min(level, _MIXING)))
    if circuit is not None:
        of_records, model, cut = coders.circuit(circuit)
        others = (coders.store(),) if only else (coders.store(), mixing)
        both = (*others, *of_records)
        return Plan(both, block_size or _RECORDS_BLOCK, (model,), cut=cut, only=only)
    if level not in MODEL_LEVELS:
        found = (coders.store(), mixing)
        if level < _OF_PICTURES:
            return Plan(found, size)
        return Plan(found, size, pictures=True, whole=whole)
    if gguf is not None:
        llama, read = coders.llama(gguf, WINDOWS[level])
        return Plan((coders.store(), mixing, llama), size, (read,))
    models = (*(_larger() if level == _TWO_MODELS else ()), _model())
    text = coders.text(models, WINDOWS[level], streams)
    return Plan((coders.store(), mixing, text), size, models, pictures=True, whole=whole)


def size_of_blocks(level: int, wanted: int | None = None) -> int:
    """Raw bytes of a block of `level`, if another size is not `wanted`."""
    return wanted or (8 * _MIB if level <= 4 else 16 * _MIB)


Coded = dict[CoderSpec, bytes | None]
"""What coders made of a block, by what a header says of them."""


def encode(plan: Plan, raw: bytes, known: Coded | None = None) -> tuple[int, bytes]:
    """The index in ``plan.coders`` of the coder that was chosen for a block, and the coded bytes.

    The shortest of all coders is taken, so coded bytes are never longer than `raw`, unless `plan`
    has only a circuit code it. What has no prospect beside photographs is not tried. Where the
    block is shorter than others would be, it is taken to be all there is, and what the header needs
    to name models counts, too. What is `known` already is not coded again.

    Raises:
        NczError: only a circuit may code it, and cannot.
    """
    found = [(len(raw), 0, raw)]
    naming = len(_header(plan)) - len(_header(plan.lean(None))) if len(raw) < plan.block_size else 0
    # The slowest comes first, so that the meter shows it and not how soon the quick ones are done.
    for i in reversed(range(1, len(plan.coders))):
        coder = plan.coders[i]
        coded = known[coder.spec] if known and coder.spec in known else coder.encode(raw)
        if coded is not None:
            extra = naming if coder.spec.id in coders.WITH_MODELS else 0
            found.append((len(coded) + extra, i, coded))
            if coders.settles(coder, coded, len(raw)):
                break
    if plan.only:
        found = [one for one in found if plan.coders[one[1]].spec.id in _OF_RECORDS]
    if not found:
        raise NczError(
            "its content is not the records that the circuit is for; name another circuit, or "
            "leave out --only-model to have it coded otherwise"
        )
    _, best, shortest = min(found)
    return best, shortest


def pictured(plan: Plan, raw: bytes) -> Plan:
    """`plan` for a file that starts with `raw`: one of a picture may have its blocks so coded.

    If `raw` is a whole block and the picture has rows beyond it, blocks end where rows do, and what
    comes later is coded so, too.
    """
    if not (plan.pictures and coders.starts_picture(raw)):
        return plan
    more = coders.goes_on(raw) if len(raw) == plan.block_size else None
    if more is None:
        return with_pictures(plan)
    row, cut = more
    return replace(with_pictures(plan, row), cut=cut)


def kept_whole(plan: Plan, raw: bytes) -> Plan | None:
    """`plan` for a file that starts with `raw` and is to be one block; None if it is not.

    That is a PNG file, whose stream has to be there as a whole, with pixels that are not too many.
    Who knows only that it may be one finds out by :func:`encode` and :func:`picture_only`.
    """
    if plan.whole is None or not plan.pictures or plan.whole <= plan.block_size:
        return None
    if not coders.whole_picture(raw, min(plan.whole, _WHOLE)):
        return None
    return with_pictures(replace(plan, block_size=plan.whole, whole=None))


def picture_only(plan: Plan) -> Coded:
    """What :func:`encode` is told is known, so that the coder of pictures is the only one."""
    return {coder.spec: None for coder in plan.coders[1:] if coder.spec.id != coders.PIXELS}


def with_pictures(plan: Plan, row: Raster | None = None) -> Plan:
    """`plan` with the coder of pictures. Every coder without a model keeps its number.

    Args:
        plan: without it.
        row: of the picture, if later blocks start with rows of it.
    """
    held = [coder for coder in plan.coders if coder.spec.id not in coders.WITH_MODELS]
    others = plan.coders[len(held) :]
    return replace(plan, coders=(*held, coders.pixels(row), *others), pictures=False)


def decided(plan: Plan, raw: bytes, alone: bool = True) -> tuple[Plan, Coded]:
    """Where a circuit may stand in the blocks or be named: what is better for a file's first block.

    A file that needs no other is better, as long as the circuit is worth its bytes. One file does
    not do both, for it would need the other one after all.

    Args:
        plan: that may do either.
        raw: the first block.
        alone: there is no other. If only a circuit may code them, it is named where there are
            others, for the last one may be too short for a circuit in it.

    Returns:
        the plan, and what was coded to decide, for :func:`encode`.
    """
    known: Coded = {}
    if not plan.open:
        return plan, known
    within, named = plan.coders[-2:]
    if alone or not plan.only:
        coded = known[named.spec] = named.encode(raw)
        if coded is not None:
            for coder in plan.coders[1:-2]:
                known[coder.spec] = coder.encode(raw)
            others = [other for spec, other in known.items() if spec != named.spec]
            best = min((len(other) for other in others if other is not None), default=len(raw))
            held = known[within.spec] = coders.with_circuit(within, coded)
            if len(held) < min(best, len(raw)):
                return replace(plan, coders=plan.coders[:-1], models=()), known
    return replace(plan, coders=(*plan.coders[:-2], named)), known


def _header(plan: Plan) -> bytes:
    from ncz.formats import header

    specs = tuple(coder.spec for coder in plan.coders)
    return header.pack(header.Header(specs, plan.block_size, models=plan.models))


def suits_model(sample: bytes) -> bool:
    """Whether content that starts with `sample` is text, for which a language model pays."""
    from ncz.models.contextmix.detect import is_text

    return len(sample) > 0 and is_text(sample)


def _model() -> ModelRef:
    from ncz.models import weights

    wanted = weights.default()
    found = weights.have(wanted.name)
    if found is None:
        digest = wanted.exact_sha256 or ""
        raise ModelMissing(
            digest,
            wanted.name,
            f"get it with: ncz models pull {wanted.name}; -6 needs none",
            who="this level",
        )
    return ModelRef(bytes.fromhex(found.digest), found.name)


def _larger() -> tuple[ModelRef, ...]:
    from ncz.models import weights

    found = weights.have(LARGER)
    return () if found is None else (ModelRef(bytes.fromhex(found.digest), found.name),)
