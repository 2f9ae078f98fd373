"""Language models made ready for work, each once in a process."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass, field

import numpy as np

from ncz.codec import crew
from ncz.codec.coder import ModelRef
from ncz.models import weights
from ncz.models.language import devices, engine, exact
from ncz.models.language.canonical import Mask
from ncz.models.language.head import Head
from ncz.models.language.network import Network
from ncz.models.language.tokenizer import Tokenizer
from ncz.models.text.predictor import Predictor
from ncz.models.text.second import Second


@dataclass(frozen=True)
class Ready:
    """A model in the memory.

    Attributes:
        predictor: for one thread at a time,
        lock: which is the one that holds this.
        tokenizer: of the model.
        proven: second models, None among them, beside which coding with it was seen to work.
        seconds: these, each made ready beside this one.
    """

    predictor: Predictor
    tokenizer: Tokenizer
    lock: threading.Lock = field(default_factory=threading.Lock)
    proven: set[ModelRef | None] = field(default_factory=set)
    seconds: dict[ModelRef, Second] = field(default_factory=dict)

    def beside(self, model: ModelRef, other: Ready) -> Second:
        """The `other` model, which is `model`, at work beside this one."""
        found = self.seconds.get(model)
        if found is None:
            found = self.seconds[model] = Second(
                other.predictor.head, other.tokenizer, self.tokenizer
            )
        return found

    def entries(self, text: bytes) -> np.ndarray:
        """int32: the tokens of `text`, as entries of the sorted vocabulary."""
        return self.tokenizer.entries(text)


def ready(model: ModelRef) -> Ready:
    """The model with that digest, loaded at its first use, on the device that is chosen then.

    Raises:
        ModelMissing: this machine does not have it.
        ModelError: its file is damaged.
        NczError: torch is needed and not installed, or multiplies wrongly; or the device
            that was asked for is not here, computes wrongly or is too small.
    """
    with _LOADING:
        return _load(model.digest, model.name, devices.wanted())


_LOADING = threading.Lock()


@functools.lru_cache(maxsize=2)
def _load(digest: bytes, name: str, device: str | None) -> Ready:
    path = weights.find(digest, name)
    model = exact.load(path)
    return of(model, crew.cores(), device)


def of(model: exact.Exact, threads: int = 1, device: str | None = None) -> Ready:
    """A model that is in the memory already, made ready, on a device as :func:`engine.make` has.

    Raises:
        NczError: as for :func:`ready`.
    """
    shape = model.shape
    tensors = {f"vocab.{name}": tensor for name, tensor in model.vocabulary.items()}
    tokenizer = Tokenizer(tensors, shape.tokenizer, shape.pre)
    head, mask = Head(engine.make(model, threads, device)), Mask(tokenizer)
    if isinstance(head.network, Network):
        return Ready(Predictor(head, mask), tokenizer)
    from ncz.models.language.plain_head import Top

    return Ready(Predictor(head, mask, Top(head, mask)), tokenizer)
