"""Pictures: a learned transform, exact entropy coding of its latents, and how it was trained."""
