"""Attacks on ncz, to be run for as long as one likes: mutated containers, and coverage-guided ones.

``python -m fuzz.mutations`` decodes containers that were changed at random, by rules that know how
a container is built, and judges every one. ``python -m fuzz.run`` lets libFuzzer search for inputs
that no rule foresees. Neither is part of the package: both take their seeds from ``tests``.
"""
