"""imdb_jax: `Predictor` of a run directory, and the exported model read with JAX and with NumPy."""

import numpy as np

from imdb_jax.inference.predictor import Predictor
from imdb_jax.inference.reader import JaxReader, NumpyReader
from imdb_jax.runs.run import Run
from imdb_jax.runtime import set_up_process
from scripts.peers.protocol import Server, Task, serve


def start(task: Task, variant: str) -> Server:
    if variant == "exported":
        return Server(task, JaxReader(task.folder / "model.zip").probabilities)
    if variant == "exported-numpy":
        return Server(task, NumpyReader(task.folder / "model.zip").probabilities)
    set_up_process()
    predictor = Predictor(Run(task.folder / "run"))
    return Server(task, lambda reviews: np.array([each.probability for each in predictor.predict(reviews)]))


if __name__ == "__main__":
    serve(start)
