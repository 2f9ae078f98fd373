"""Which parts of a block the language model is asked about: decided by what they would cost."""

from __future__ import annotations

from ncz.models.text.layout import MODEL, Run
from ncz.models.text.loading import Ready
from ncz.models.text.windows import Windows


def plan(raw: bytes, model: Ready, windows: Windows) -> tuple[Run, ...]:
    """The runs of a block."""
    return (Run(MODEL, len(raw)),)
