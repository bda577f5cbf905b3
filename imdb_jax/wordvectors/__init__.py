"""GloVe and word2vec files."""
