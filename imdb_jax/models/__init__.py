"""Flax modules; know nothing of files or training."""

from imdb_jax.models.classifier import OWN_ENCODERS as OWN_ENCODERS
from imdb_jax.models.classifier import TextClassifier as TextClassifier
from imdb_jax.models.convolution import Conv1D as Conv1D
from imdb_jax.models.convolution import ConvStack as ConvStack
from imdb_jax.models.embedding import BigramEmbedding as BigramEmbedding
from imdb_jax.models.embedding import Embedding as Embedding
from imdb_jax.models.embedding import OneHot as OneHot
from imdb_jax.models.embedding import Words as Words
from imdb_jax.models.pooling import Pool as Pool
from imdb_jax.models.pooling import attend as attend
from imdb_jax.models.pooling import pool as pool
from imdb_jax.models.recurrent import LSTM as LSTM
from imdb_jax.models.recurrent import SimpleRNN as SimpleRNN
