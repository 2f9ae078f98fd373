"""Probabilistic circuits: trained on a user's own rows of integers, they code rows like these."""
