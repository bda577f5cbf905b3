"""Flax modules; know nothing of files or training."""
