"""Context mixing: many small models of the past, combined bit by bit, for any bytes."""

from ncz.models.contextmix.coder import coder, from_params

__all__ = ["coder", "from_params"]
