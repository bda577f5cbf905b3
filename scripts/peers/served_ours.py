"""imdb_jax: `Predictor` of a run directory, and the exported model read with JAX and with NumPy."""

import numpy as np

from imdb_jax.inference.predictor import Predictor
from imdb_jax.inference.reader import JaxReader, NumpyReader
from imdb_jax.runs.run import Run
from imdb_jax.runtime import set_up_process
from scripts.peers.served import Folder, serve


class Predict:
    """What `python -m imdb_jax.predict` does."""

    def __init__(self, folder: Folder) -> None:
        set_up_process()
        self.predictor = Predictor(Run(folder.run))

    def many(self, reviews: list[bytes]) -> np.ndarray:
        return np.array([prediction.probability for prediction in self.predictor.predict(reviews)])

    def single(self, review: bytes) -> float:
        return self.predictor.predict([review])[0].probability


class Exported:
    """What imdb_jax/inference/reader.py does."""

    def __init__(self, reader: JaxReader | NumpyReader) -> None:
        self.many = reader.probabilities

    def single(self, review: bytes) -> float:
        return float(self.many([review])[0])


VARIANTS = {
    "predict": Predict,
    "jax": lambda folder: Exported(JaxReader(folder.model)),
    "numpy": lambda folder: Exported(NumpyReader(folder.model)),
}

if __name__ == "__main__":
    serve(lambda folder, variant: VARIANTS[variant](folder))
