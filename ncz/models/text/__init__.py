"""Text: what a language model expects and what contexts expect, mixed bit by bit."""
