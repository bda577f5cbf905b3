"""PyTorch, which leaves text to its users: words as imdb_jax splits them, under `inference_mode`.

Batches hold reviews of like length. The LSTM reads packed sequences.
"""

import numpy as np
import torch

from scripts.peers.protocol import BATCH, Server, Task, serve, sigmoid
from scripts.peers.torch_peer import DEVICE, Torch


def start(task: Task, _: str) -> Server:
    model = Torch(task, "bucketed").model.eval()

    @torch.inference_mode()
    def probabilities(reviews: list[bytes]) -> np.ndarray:
        encoded = [torch.tensor(task.vocabulary.encode(review)[: task.max_length]) for review in reviews]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        logits = np.empty(len(encoded))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            tokens = torch.nn.utils.rnn.pad_sequence([encoded[i] for i in rows], batch_first=True)
            tokens = torch.nn.functional.pad(tokens, (0, max(0, 3 - tokens.shape[1])))  # a window of the convolution
            lengths = torch.tensor([len(encoded[i]) for i in rows])
            logits[rows] = model(tokens.to(DEVICE), lengths.to(DEVICE)).cpu().numpy()
        return sigmoid(logits)

    return Server(task, probabilities)


if __name__ == "__main__":
    serve(start)
