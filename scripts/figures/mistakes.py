"""Five classic mistakes, each made on purpose, beside the same system done right."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import Dataset, load_dataset, split_corpus
from imdb_jax.data.imdb import prepared_folder, prepared_reviews
from imdb_jax.data.reviews import Reviews
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs.experiment import fit
from imdb_jax.runs.run import Run
from imdb_jax.runs.statistics import Spread
from imdb_jax.runtime import set_up_process
from imdb_jax.training.build import build_model
from scripts.commands import results
from scripts.environment import ROOT
from scripts.figures.reproduce import CONFIGS, train, with_cells

PAGE = ROOT / "docs" / "mistakes.md"
EPOCHS_WITH_UNSUP = 3  # the loss has no lower bound then: more epochs change nothing


def main(seeds: Sequence[int]) -> None:
    set_up_process()
    for name, (system, mistake) in MISTAKES.items():
        right = [100 * each["test"]["accuracy"] for each in train(system, seeds)]
        config = load_file(CONFIGS[system])
        runs = [(dataclasses.replace(config, seed=seed), ROOT / "runs" / f"{system}-{seed}") for seed in seeds]
        wrong = [100 * mistake(*each) for each in runs]
        columns = {3: right, 4: wrong, 5: np.subtract(wrong, right).tolist()}
        cells = {at: format(Spread.of(values), ".2f").replace("-", "−") for at, values in columns.items()}
        PAGE.write_text(with_cells(PAGE.read_text(), name, {6: cells}))
        print(f"{name}: {cells}", flush=True)


def no_mask(config: Config, right: Path) -> float:
    """Padding after the review, read as if it were words."""
    dataset = load_dataset(config.data)
    train, validation, test = (padded_to(config.data.max_length, split) for split in dataset[:3])
    dataset = dataset._replace(train=train, validation=validation, test=test)
    return trained(dataset, config, right, "no-mask", "test")


def third_class(config: Config, right: Path) -> float:
    """The folder train/unsup read as a class beside neg and pos, number 2 in the order of the alphabet."""
    training = dataclasses.replace(config.training, epochs=EPOCHS_WITH_UNSUP)
    config = dataclasses.replace(config, training=training)
    dataset = load_dataset(config.data)
    reviews = prepared_reviews(tfds.builder_from_directory(prepared_folder(config.data)), "unsupervised")
    train, unsup = dataset.train, encoded(reviews, dataset.vocabulary)
    labels = np.concatenate([train.labels, np.full(len(unsup.labels), 2, np.int8)])
    both = joined(rows_of(train) + rows_of(unsup), labels)
    return trained(dataset._replace(train=both), config, right, "unsup", "test")


def chosen_on_test(config: Config, right: Path) -> float:
    """The best test accuracy of all epochs: what is reported, not what the model is worth."""
    dataset = load_dataset(config.data)
    return trained(dataset._replace(validation=dataset.test), config, right, "on-test", "validation")


def other_tokeniser(config: Config, right: Path) -> float:
    """A vocabulary made anew from the texts to predict."""
    test = split_corpus(config.data).test
    counts = Counter(word for text in test.texts() for word in split_words(text, config.data.text))
    vocabulary = Vocabulary.build(counts, config.data.vocabulary_size, config.data.text)
    return test_accuracy(encoded(test, vocabulary), right)


def no_offset(config: Config, right: Path) -> float:
    """Ranks of words given as ids, without the 3 that Keras' imdb data set adds to them."""
    test, special = load_dataset(config.data).test, Run(right).vocabulary().special
    ranks = [ids[ids >= len(special.tokens)] - 3 for ids in rows_of(test)]
    return test_accuracy(joined([row if len(row) else [special.unknown] for row in ranks], test.labels), right)


# the first cell of its row in the page -> (system, its accuracy with the mistake)
MISTAKES: dict[str, tuple[str, Callable[[Config, Path], float]]] = {
    "No mask": ("lstm", no_mask),
    "A third class": ("glove_bilstm", third_class),
    "Chosen on test": ("conv1d", chosen_on_test),
    "Another tokeniser": ("conv1d", other_tokeniser),
    "Ids without offset": ("lstm", no_offset),
}


def trained(dataset: Dataset, config: Config, right: Path, mistake: str, split: str) -> float:
    """Accuracy on a split after training on a dataset with a mistake in it."""
    folder = f"{right}-{mistake}"
    fit(build_model(config, dataset.vocabulary), dataset, config, folder)
    return results(folder)[split]["accuracy"]


def test_accuracy(split: Split, right: Path) -> float:
    """Of a run done right on wrong ids."""
    run = Run(right)
    predictor = Predictor(run)
    run.record_test_reading({"command": "reproduce --mistakes", "step": predictor.step})
    return float(((predictor.logits(split) > 0) == split.labels).mean())


def padded_to(length: int, split: Split) -> Split:
    """Reviews cut or filled up to one length; id 0 stands for no word."""
    return joined([np.pad(row[:length], (0, max(0, length - len(row)))) for row in rows_of(split)], split.labels)


def rows_of(split: Split) -> list[np.ndarray]:
    return np.split(split.ids, split.offsets[1:-1])


def encoded(reviews: Reviews, vocabulary: Vocabulary) -> Split:
    """Token ids of texts."""
    ids = [*map(vocabulary.encode, reviews.texts())]
    return joined(ids, reviews.labels)


def joined(ids: Sequence[Sequence[int] | np.ndarray], labels: np.ndarray) -> Split:
    return Split(np.concatenate([np.asarray(row, np.int32) for row in ids]), np.cumsum([0, *map(len, ids)]), labels)
