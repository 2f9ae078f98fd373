"""Planes of pixels, coded without loss by least squares and mixed contexts."""
