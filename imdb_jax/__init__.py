"""A small, fast JAX/Flax trainer for sentiment classification of the IMDB movie reviews."""

__version__ = "0.1.0"
