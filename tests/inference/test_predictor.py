"""A predictor reads short, empty and everyday reviews; words have the vectors of the checkpoint that it reads."""

import dataclasses
import re
import typing
from pathlib import Path

import jax
import numpy as np
import pandas
import pytest

from imdb_jax import config as hyper
from imdb_jax.config import (
    Config,
    DataConfig,
    Embedding,
    ModelConfig,
    OneHotEmbedding,
    OptimizerConfig,
    PretrainedEmbedding,
)
from imdb_jax.data.encoded import LONGEST_REVIEW
from imdb_jax.data.inputs import texts_of
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import UserError
from imdb_jax.inference.predictor import Predictor, word_vectors
from imdb_jax.reporting.attribution import CONVERGED, integrated_gradients
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.run import Run
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.checkpoint import Checkpoints
from tests.conftest import CONFIGS
from tests.untrained import begin

ENCODERS = {*typing.get_args(typing.get_args(hyper.Encoder)[0])} - {hyper.OwnEncoderConfig}
WORDS = [b"what", b"a", b"film", b"good", b"bad", b"not", b"it", b"was", b"dull", b"great"]
VECTORS = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
DATA = DataConfig(source="synthetic", vocabulary_size=12, max_length=40)

POSITIVE = [
    "Funny and clever!",
    "A wonderful script, superb acting.",
    "The plot was charming and the camera work was brilliant. I loved it!",
    "I saw it with my sister on Sunday. The first half was slow, but the ending was unforgettable. Go and see it.",
    "Anna Kowalska plays a pianist who travels to Paris and meets a thief. The dialogue was never dull, the music was "
    "breathtaking, and every scene with the villain was really funny. We had popcorn 🍿, my naïve cousin laughed, and "
    "in the end it was worth every minute: a brilliant script, solid acting. I would watch it again.",
]
NEGATIVE = [
    "Dull and predictable!",
    "A terrible script, awful acting.",
    "The plot was clumsy and the camera work was dreadful. I hated it!",
    "I saw it with my sister on Sunday. The first half was good, but the ending was horrible. Do not see it.",
    "Tom Hill plays a detective who travels to Vermont and meets a clown. The dialogue was hardly clever, the music "
    "was unbearable, and every scene with the villain was boring. We had popcorn 🍿, my naïve cousin slept, and in the "
    "end it was not worth a minute: a pathetic script, flat acting. I would not watch it again.",
]


def test_texts_are_cut_as_in_training() -> None:
    texts = ["x" * (LONGEST_REVIEW + 5), "é" * LONGEST_REVIEW, b"short"]
    assert [len(text) for text in texts_of(texts)] == [LONGEST_REVIEW, LONGEST_REVIEW, 5]


def untrained(folder: Path, model: ModelConfig, optimizer: OptimizerConfig | None = None) -> Run:
    """A run whose only checkpoint holds the first weights, and where an average is kept twice them."""
    config = Config(data=DATA, model=model, optimizer=optimizer or OptimizerConfig())
    run = Run(folder)
    vectors = VECTORS if isinstance(model.embedding, PretrainedEmbedding) else None
    with run.taken():
        begin(run, config, Vocabulary([b"", b"[UNK]", *WORDS], config.data.text), vectors)
    _, state = build_learner(build_model(config, run.vocabulary(), vectors), config, steps=1)
    state = state._replace(ema=jax.tree.map(lambda x: 2 * x, state.ema))
    with Checkpoints(run.checkpoints, run.origin()) as checkpoints:
        checkpoints.save(state, [], 0.5)
        checkpoints.wait()
    return run


@pytest.mark.parametrize("encoder", sorted(ENCODERS, key=str), ids=lambda encoder: encoder.__name__)
def test_short_reviews_alone_are_read_as_beside_long_ones(encoder: typing.Any, tmp_path: Path) -> None:
    predictor = Predictor(untrained(tmp_path, ModelConfig(embedding=PretrainedEmbedding(), encoder=encoder())))
    short = ["", "good", "film", "not good", "what film", "!?", "unheard of"]
    long = [" ".join(WORDS[(i * i + k) % 10].decode() for i in range(20 + k)) for k in range(15)]
    together = predictor.predict([*short, *long, "good " * 100])
    alone = [predictor.predict([review])[0] for review in short]
    for got, expected in zip(alone, together, strict=False):
        assert got.probability == pytest.approx(expected.probability, abs=1e-6)
        assert got._replace(probability=0) == expected._replace(probability=0)
    assert [prediction.flags for prediction in alone] == [["empty"], [], [], [], [], ["empty"], ["all_unknown"]]
    assert np.ptp([prediction.probability for prediction in alone]) > 1e-3
    assert alone[0].probability == alone[5].probability


def test_one_text_has_one_prediction_and_several_have_a_list(tmp_path: Path) -> None:
    predictor = Predictor(untrained(tmp_path, ModelConfig(embedding=PretrainedEmbedding())))
    one, other = predictor.predict(["not good", "dull film"])
    for text in ("not good", b"not good", np.array(["not good"])[0]):
        assert [predictor.predict(text)] == predictor.predict(["not good"])
    texts = ["not good", "dull film"]
    for several in (
        tuple(texts),
        iter(texts),
        (text.encode() for text in texts),
        dict.fromkeys(texts).keys(),
        np.array(texts),
        np.array(texts, object),
        pandas.Series(texts, index=[7, 3]),
        pandas.DataFrame({"review": texts})["review"],
    ):
        assert predictor.predict(several) == [one, other], type(several)
    assert predictor.predict([]) == []
    assert predictor.predict("\ud83d good").flags == []  # half of an emoji is an unknown word


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (None, r"reviews: None; must be a text, or texts in a list"),
        (7, r"reviews: 7; must be a text"),
        (float("nan"), r"reviews: nan; must be a text"),
        (np.array("good"), r"reviews: array\('good'"),
        (np.array([["good", "bad"]]), r"reviews: array\(\[\['good', 'bad'\]\]"),
        ({"review": "good"}, r"reviews: \{'review': 'good'\}; must be a text"),
        ({"good"}, r"reviews: \{'good'\}; must be a text, or texts in a list"),
        (pandas.DataFrame({"review": ["good"]}), r"reviews:   review 0   good; must be .* in one column"),
        (["good", None], r"reviews\[1\]: None; must be a text \(str, or UTF-8 bytes\)"),
        ([float("nan")], r"reviews\[0\]: nan; must be a text"),
        ([["good"], ["bad"]], r"reviews\[0\]: \['good'\]; must be a text"),
        (pandas.Series(["good", None], index=[5, 6]), r"reviews\[1\]: (None|nan); must be a text"),
        (np.array([1.5]), r"reviews\[0\]: (np.float64\()?1.5\)?; must be a text"),
        (b"good", r"reviews: b'good'"),  # of `texts_of` alone, which is for several
    ],
)
def test_what_is_no_text_is_named_with_its_place(given: typing.Any, named: str) -> None:
    with pytest.raises(UserError) as error:
        texts_of(given)
    assert re.match(named, str(UserError(str(error.value))))


def test_a_predictor_names_what_is_no_text(tmp_path: Path) -> None:
    predictor = Predictor(untrained(tmp_path, ModelConfig(embedding=PretrainedEmbedding())))
    with pytest.raises(UserError, match=r"^reviews\[1\]: None; must be a text"):
        predictor.predict(["good", None])  # pyright: ignore


@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize("trainable", [True, False])
def test_word_vectors_are_those_that_are_evaluated(trainable: bool, ema_decay: float | None, tmp_path: Path) -> None:
    model = ModelConfig(embedding=PretrainedEmbedding(trainable=trainable))
    table = word_vectors(untrained(tmp_path, model, OptimizerConfig(ema_decay=ema_decay)))
    np.testing.assert_array_equal(table, VECTORS * (2 if trainable and ema_decay else 1))
    assert table.dtype == np.float32


@pytest.mark.parametrize("embedding", [OneHotEmbedding(), PretrainedEmbedding(trainable=True, folded=True)])
def test_one_hot_words_have_no_vectors(tmp_path: Path, embedding: Embedding) -> None:
    run = untrained(tmp_path, ModelConfig(embedding=embedding))
    with pytest.raises(UserError, match="has no word vectors, its embedding keeps none"):
        word_vectors(run)


def test_ten_everyday_reviews_are_told_apart_and_their_words_add_up(tmp_path: Path) -> None:
    config = hyper.load_file(next(path for path in CONFIGS if path.stem == "quickstart"))
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, buckets=(48,)),
        training=dataclasses.replace(config.training, epochs=3),
    )
    run_experiment(config, tmp_path)
    predictor, reviews = Predictor(Run(tmp_path)), [*POSITIVE, *NEGATIVE]
    found = predictor.predict(reviews)
    assert [prediction.label for prediction in found] == ["positive"] * 5 + ["negative"] * 5, found
    attributions = integrated_gradients(predictor.model, [predictor.vocabulary.encode(r.encode()) for r in reviews])
    assert max(each.convergence_delta for each in attributions) < CONVERGED
    logits = [np.log(each.probability / (1 - each.probability)) for each in found]
    np.testing.assert_allclose([each.logit for each in attributions], logits, atol=1e-3)
