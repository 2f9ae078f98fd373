"""The engine that stands for llama.cpp."""

from .fake import fake

__all__ = ["fake"]
