"""Tests of ncz.models.image."""
