"""Flax modules; know nothing of files or training."""

from imdb_jax.models.classifier import OWN_ENCODERS, TextClassifier
from imdb_jax.models.convolution import Conv1D, ConvStack
from imdb_jax.models.embedding import BigramEmbedding, Embedding, OneHot, Words
from imdb_jax.models.pooling import Pool, attend, pool
from imdb_jax.models.recurrent import LSTM, SimpleRNN
