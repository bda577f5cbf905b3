"""PyTorch, on a GPU where it has one.

documented: shuffled batches of a DataLoader, each padded to its longest review and packed. bucketed: the same model on
batches of reviews of like length. unmasked: those batches without packing, much faster, but the forward direction
reads the padding too. served: PyTorch leaves text to its users, so words are split as imdb_jax does; batches hold
reviews of like length, under `inference_mode`.
"""

import itertools
import os
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

from imdb_jax.data.batches import Batches
from scripts.peers.protocol import BATCH, Server, Task, lengths, padded, serve, sigmoid

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class BiLSTM(nn.Module):
    """The model of W1."""

    def __init__(self, vocabulary_size: int, packed: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 100).requires_grad_(False)
        self.lstm = nn.LSTM(100, 32, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(64, 1)
        self.packed = packed

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(tokens[:, : lengths.max()])
        if self.packed:
            x = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(x)
        return self.output(self.dropout(torch.cat([h[0], h[1]], dim=1)))[:, 0]

    def weights(self, task: dict[str, Tensor]) -> dict[str, Tensor]:
        own = {
            "embedding.weight": task["embedding.table"],
            "output.weight": task["output.kernel"].T,
            "output.bias": task["output.bias"],
        }
        for direction, suffix in (("forward", "l0"), ("backward", "l0_reverse")):
            own[f"lstm.weight_ih_{suffix}"] = task[f"encoder.{direction}.kernel"].T
            own[f"lstm.weight_hh_{suffix}"] = task[f"encoder.{direction}.recurrent_kernel"].T
            own[f"lstm.bias_ih_{suffix}"] = task[f"encoder.{direction}.bias"]
            own[f"lstm.bias_hh_{suffix}"] = torch.zeros(128)
        return own


class Conv1D(nn.Module):
    """The model of W2."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 256)
        self.conv = nn.Conv1d(256, 256, 3)
        self.hidden = nn.Linear(256, 128)
        self.output = nn.Linear(128, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, tokens: Tensor, _: Tensor) -> Tensor:
        x = self.dropout(self.embedding(tokens))
        x = torch.relu(self.conv(x.transpose(1, 2))).amax(dim=2)
        x = torch.relu(self.hidden(x))
        return self.output(self.dropout(x))[:, 0]

    def weights(self, task: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            "embedding.weight": task["embedding.table"],
            "conv.weight": task["encoder.kernel"].permute(2, 1, 0),
            "conv.bias": task["encoder.bias"],
            "hidden.weight": task["hidden.0.kernel"].T,
            "hidden.bias": task["hidden.0.bias"],
            "output.weight": task["output.kernel"].T,
            "output.bias": task["output.bias"],
        }


class Ngrams(nn.Module):
    """The model of W3."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.ratios = nn.Embedding(vocabulary_size, 1).requires_grad_(False)
        self.weights_of = nn.Embedding(vocabulary_size, 1)
        self.output = nn.Linear(1, 1)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        valid = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        scores = (self.ratios(tokens) * self.weights_of(tokens))[..., 0]
        sums = torch.where(valid, scores, 0).sum(dim=1)
        return self.output((sums / lengths.sqrt())[:, None])[:, 0]

    def weights(self, task: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            "ratios.weight": task["embedding.table"],
            "weights_of.weight": task["embedding.weights"],
            "output.weight": task["output.kernel"].T,
            "output.bias": task["output.bias"],
        }


MODELS = {"W2": Conv1D, "W3": Ngrams}
OPTIMIZERS = {
    "W1": partial(torch.optim.RMSprop, lr=1e-3, alpha=0.9, eps=1e-7),
    "W2": partial(torch.optim.Adam, lr=1e-3, eps=1e-7, fused=True),
    "W3": partial(torch.optim.Adam, lr=4e-3, eps=1e-7, fused=True),
}


class Torch:
    """Trains one of the models on batches of a variant."""

    def __init__(self, task: Task, variant: str) -> None:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.task, self.variant = task, variant
        self.epochs = itertools.count()
        size = len(task.weights["embedding.table"])
        model = BiLSTM(size, variant != "unmasked") if task.workload == "W1" else MODELS[task.workload](size)
        self.model = model.to(DEVICE)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = OPTIMIZERS[task.workload](trained)
        self.loss = nn.BCEWithLogitsLoss()
        if variant == "documented":
            self.loader = self._loader(task.train, task.batch_size, shuffle=True)
            self.test_loader = self._loader(task.test, task.eval_batch_size, shuffle=False)
        else:
            self.batches = Batches(task.train, task.batch_size, task.max_length)
            self.test_batches = Batches(task.test, task.eval_batch_size, task.max_length)
        self.reset()

    def _loader(self, split, batch_size: int, shuffle: bool) -> DataLoader:
        arrays = padded(split, self.task.max_length), lengths(split), split.labels.astype(np.float32)
        return DataLoader(TensorDataset(*map(torch.from_numpy, arrays)), batch_size, shuffle)

    def reset(self) -> None:
        weights = {name: torch.from_numpy(weight) for name, weight in self.task.weights.items()}
        self.model.load_state_dict(self.model.weights(weights))

    def step(self) -> None:
        self._train(itertools.islice(self._batches(), 1))

    def train(self) -> None:
        self._train(self._batches())

    def _batches(self) -> Iterable[list[Tensor]]:
        if self.variant == "documented":
            return self.loader
        return map(tensors, self.batches.shuffled(0, next(self.epochs)))

    def _train(self, batches: Iterable[list[Tensor]]) -> None:
        self.model.train()
        for tokens, sizes, labels in batches:
            self.optimizer.zero_grad()
            tokens, sizes, labels = (each.to(DEVICE, non_blocking=True) for each in (tokens, sizes, labels))
            self.loss(self.model(tokens, sizes), labels).backward()
            self.optimizer.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()  # a step is only begun until then

    def infer(self) -> np.ndarray:
        logits = np.empty(len(self.task.test.labels), np.float32)
        self.model.eval()
        with torch.inference_mode():
            outputs = [
                (rows, self.model(tokens.to(DEVICE), sizes.to(DEVICE)))
                for rows, (tokens, sizes, _) in self._test_batches()
            ]
        for rows, output in outputs:
            logits[rows] = output.cpu().numpy()
        return logits

    def _test_batches(self) -> Iterator[tuple[np.ndarray, list[Tensor]]]:
        if self.variant == "documented":
            count, size = len(self.task.test.labels), self.task.eval_batch_size
            yield from zip(np.split(np.arange(count), range(size, count, size)), self.test_loader, strict=True)
        else:
            for rows, batch in self.test_batches.sorted():
                yield rows, tensors(batch)


def tensors(batch) -> list[Tensor]:
    """Tokens, lengths and labels of a batch without the rows that only fill it."""
    count = int(batch.weights.sum())
    return [torch.from_numpy(array[:count]) for array in (batch.tokens, batch.lengths, batch.labels)]


def served(task: Task) -> Server:
    """Reads raw text with the model of a task; the LSTM reads packed sequences."""
    model = Torch(task, "bucketed").model.eval()

    @torch.inference_mode()
    def probabilities(reviews: list[bytes]) -> np.ndarray:
        encoded = [torch.tensor(task.vocabulary.encode(review)[: task.max_length]) for review in reviews]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        logits = np.empty(len(encoded))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            tokens = nn.utils.rnn.pad_sequence([encoded[i] for i in rows], batch_first=True)
            tokens = nn.functional.pad(tokens, (0, max(0, 3 - tokens.shape[1])))  # a window of the convolution
            sizes = torch.tensor([len(encoded[i]) for i in rows])
            logits[rows] = model(tokens.to(DEVICE), sizes.to(DEVICE)).cpu().numpy()
        return sigmoid(logits)

    return Server(task, probabilities)


if __name__ == "__main__":
    serve(lambda task, variant: served(task) if variant == "served" else Torch(task, variant))
