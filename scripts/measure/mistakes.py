"""Five classic mistakes, each made on purpose, beside the same system done right."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import Dataset, count_words, load_dataset, split_corpus
from imdb_jax.data.imdb import prepared_folder
from imdb_jax.data.prepared import PreparedReviews
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs.experiment import fit
from imdb_jax.runs.run import Run
from imdb_jax.runs.statistics import mean_and_std
from imdb_jax.runtime import set_up_process
from imdb_jax.training.build import build_model
from scripts.environment import ROOT
from scripts.measure.reproduce import CONFIGS, train, with_cells

PAGE = ROOT / "docs" / "mistakes.md"
EPOCHS_WITH_UNSUP = 3  # the loss has no lower bound then: more epochs change nothing


def main(seeds: list[int]) -> None:
    set_up_process()
    for name, (system, accuracy) in MISTAKES.items():
        right = [100 * results["test"]["accuracy"] for results in train(system, seeds)]
        wrong = [100 * accuracy(load_config(system, seed), ROOT / "runs" / f"{system}-{seed}") for seed in seeds]
        difference = [w - r for w, r in zip(wrong, right, strict=True)]
        columns = {3: right, 4: wrong, 5: difference}
        cells = {at: mean_and_std(values, "{:.2f}").replace("-", "−") for at, values in columns.items()}
        PAGE.write_text(with_cells(PAGE.read_text(), name, cells))
        print(f"{name}: {cells}", flush=True)


def load_config(system: str, seed: int) -> Config:
    return dataclasses.replace(load_file(CONFIGS[system]), seed=seed)


def no_mask(config: Config, right: Path) -> float:
    """Padding after the review, read as if it were words."""
    dataset = load_dataset(config.data)
    padded = (padded_to(config.data.max_length, split) for split in (dataset.train, dataset.validation, dataset.test))
    train, validation, test = padded
    dataset = dataset._replace(train=train, validation=validation, test=test)
    return trained(dataset, config, right, "no-mask")["test"]["accuracy"]


def third_class(config: Config, right: Path) -> float:
    """The folder train/unsup read as a class beside neg and pos, number 2 in the order of the alphabet."""
    training = dataclasses.replace(config.training, epochs=EPOCHS_WITH_UNSUP)
    config = dataclasses.replace(config, training=training)
    dataset = load_dataset(config.data)
    reviews = PreparedReviews(tfds.builder_from_directory(prepared_folder(config.data)), "unsupervised")
    unsup = encode([text for texts, _ in reviews.chunks() for text in texts], dataset.vocabulary)
    train, labels = dataset.train, np.full(len(unsup.labels), 2, np.int8)
    both = Split(
        np.concatenate([train.ids, unsup.ids]),
        np.concatenate([train.offsets, train.offsets[-1] + unsup.offsets[1:]]),
        np.concatenate([train.labels, labels]),
    )
    return trained(dataset._replace(train=both), config, right, "unsup")["test"]["accuracy"]


def chosen_on_test(config: Config, right: Path) -> float:
    """The best test accuracy of all epochs: what is reported, not what the model is worth."""
    dataset = load_dataset(config.data)
    return trained(dataset._replace(validation=dataset.test), config, right, "on-test")["validation"]["accuracy"]


def other_tokeniser(config: Config, right: Path) -> float:
    """A vocabulary made anew from the texts to predict."""
    test = split_corpus(config.data).test
    words = count_words(test, config.data)
    vocabulary = Vocabulary.build(words, config.data.vocabulary_size, config.data.text)
    split = encode([text for texts, _ in test.chunks() for text in texts], vocabulary)
    return test_accuracy(split._replace(labels=test.labels), right)


def no_offset(config: Config, right: Path) -> float:
    """Ranks of words given as ids, without the 3 that Keras' imdb data set adds to them."""
    test, vocabulary = load_dataset(config.data).test, Run(right).vocabulary()
    first_word = len(vocabulary.special.tokens)
    ranks = [ids[ids >= first_word] - 3 for ids in np.split(test.ids, test.offsets[1:-1])]
    ids = [row if len(row) else np.array([vocabulary.special.unknown]) for row in ranks]
    offsets = np.cumsum([0, *map(len, ids)])
    return test_accuracy(Split(np.concatenate(ids), offsets, test.labels), right)


# the first cell of its row in the page -> (system, its accuracy with the mistake)
MISTAKES: dict[str, tuple[str, Callable[[Config, Path], float]]] = {
    "No mask": ("lstm", no_mask),
    "A third class": ("glove_bilstm", third_class),
    "Chosen on test": ("conv1d", chosen_on_test),
    "Another tokeniser": ("conv1d", other_tokeniser),
    "Ids without offset": ("lstm", no_offset),
}


def trained(dataset: Dataset, config: Config, right: Path, mistake: str) -> dict:
    """Results of training on a dataset with a mistake in it."""
    return fit(build_model(config, dataset.vocabulary), dataset, config, f"{right}-{mistake}")


def test_accuracy(split: Split, right: Path) -> float:
    """Of a run done right on wrong ids."""
    run = Run(right)
    predictor = Predictor(run)
    run.record_test_reading({"command": "reproduce --mistakes", "step": predictor.step})
    return float(((predictor.logits(split) > 0) == split.labels).mean())


def padded_to(length: int, split: Split) -> Split:
    """Reviews cut or filled up to one length; id 0 stands for no word."""
    ids = np.zeros((len(split.labels), length), split.ids.dtype)
    for row, review in zip(ids, np.split(split.ids, split.offsets[1:-1]), strict=True):
        kept = review[:length]
        row[: len(kept)] = kept
    return Split(ids.ravel(), np.arange(len(ids) + 1) * length, split.labels)


def encode(texts: list[bytes], vocabulary: Vocabulary) -> Split:
    """Ids of texts, all labelled 0."""
    ids = [vocabulary.encode(text) for text in texts]
    offsets = np.cumsum([0, *map(len, ids)])
    return Split(np.concatenate([np.array(row, np.int32) for row in ids]), offsets, np.zeros(len(ids), np.int8))
