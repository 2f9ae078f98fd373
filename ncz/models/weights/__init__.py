"""Language models by name: what there is, what this machine has, and how it gets there.

:func:`ensure` is for who compresses, :func:`find` for who decodes; the rest is for managing.
"""

from ncz.models.weights.manifest import BUILTIN, Weights, default, is_builtin, known, named
from ncz.models.weights.pulling import Consent, Progress, address, ensure, local, pull
from ncz.models.weights.remembered import accepted
from ncz.models.weights.store import (
    Installed,
    damage,
    find,
    have,
    installed,
    models_folder,
    remove,
    whole,
)

__all__ = [
    "BUILTIN",
    "Consent",
    "Installed",
    "Progress",
    "Weights",
    "accepted",
    "address",
    "damage",
    "default",
    "ensure",
    "find",
    "have",
    "installed",
    "is_builtin",
    "known",
    "local",
    "models_folder",
    "named",
    "pull",
    "remove",
    "whole",
]
