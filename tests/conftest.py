"""What holds for all tests."""

from hypothesis import settings

# No test is timed: this machine may be slow, and the first call of a coder compiles it.
settings.register_profile("ncz", deadline=None, print_blob=True)
settings.load_profile("ncz")
