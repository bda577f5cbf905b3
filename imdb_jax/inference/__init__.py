"""A trained run ready to read reviews, and exported models."""
