"""How numbers become bits: exact arithmetic, range coding, checks, the block pipeline.

Knows no model and no file type.
"""
