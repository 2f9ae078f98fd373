"""What predicts: context mixing now; language models, circuits and image models to come.

Knows no file type.
"""
