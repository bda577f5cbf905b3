"""Text in, batches of token ids out; knows nothing of JAX models."""
