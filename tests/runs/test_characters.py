"""Reviews whose sentiment lies inside words, Korean and Chinese, read as characters."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import (
    Config,
    Conv1DConfig,
    ConvStackConfig,
    DataConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    PoolConfig,
    SimpleRNNConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
    load_file,
)
from imdb_jax.data.dataset import load_dataset, split_corpus
from imdb_jax.inference.artefact import write_artefact
from imdb_jax.inference.predictor import Predictor
from imdb_jax.inference.reader import JaxReader, NumpyReader
from imdb_jax.reporting.mistakes import explain
from imdb_jax.runs.experiment import run_experiment

OPINIONS = {
    "korean": (("지루", "실망", "최악"), ("재미", "감동", "훌륭")),
    "chinese": (("难看", "无聊", "失望"), ("好看", "精彩", "感人")),
}
LETTERS = {"korean": range(0xAC00, 0xD7A4, 37), "chinese": range(0x4E00, 0x9FA5, 61)}
ODD = ["", " \n", "!?", "영화", "정말 재미있는 영화!", "这部电影很好看。", "A film 🍿", b"\xec\x98 \xff", "가" * 700]


def write_reviews(path: Path, language: str, count: int) -> None:
    """Words of letters drawn at random, which hardly ever come twice; inside one of them is an opinion."""
    random = np.random.default_rng(0)
    letters = [chr(code) for code in LETTERS[language]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            words = ["".join(random.choice(letters, size)) for size in random.integers(2, 4, size=6)]
            at, opinion = random.integers(6), random.choice(OPINIONS[language][number % 2])
            words[at] += opinion + random.choice(letters)
            writer.writerow([(" " if language == "korean" else "").join(words), number % 2])


def config(path: Path, unit: str, like: Config) -> Config:
    text = TextConfig(unit=unit, break_tags_as_spaces=True)
    data = DataConfig(
        source="files",
        path=str(path),
        text=text,
        ngrams=4 if like.data.ngrams else 0,
        max_length=512,
        validation=ValidationConfig(size=0.2),
    )
    return dataclasses.replace(like, data=data, training=TrainingConfig(batch_size=32, epochs=6, eval_batch_size=128))


def check_readers(predictor: Predictor, tmp_path: Path) -> None:
    predicted = [prediction.probability for prediction in predictor.predict(ODD)]
    write_artefact(tmp_path / "model.zip", [predictor])
    for kind in (JaxReader, NumpyReader):
        np.testing.assert_allclose(kind(tmp_path / "model.zip").probabilities(ODD), predicted, atol=1e-6)


@pytest.fixture(params=["korean", pytest.param("chinese", marks=pytest.mark.slow)])
def reviews(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_reviews(tmp_path / "reviews.csv", request.param, 300)
    return tmp_path / "reviews.csv"


def test_ngrams_of_characters_find_what_lies_inside_words(reviews: Path, tmp_path: Path) -> None:
    small = config(reviews, "characters", load_file("ngrams"))
    assert run_experiment(small, tmp_path / "run").test.accuracy > 0.9
    predictor = Predictor(tmp_path / "run")
    assert predictor.predict("").flags == ["empty"]
    assert predictor.predict("abc def").flags == ["all_unknown"]
    check_readers(predictor, tmp_path)
    test = split_corpus(small.data).test
    (explained,) = explain(predictor, test, [0])
    assert "".join(word.written for word in explained.words) == f" {next(iter(test.texts())).decode()}"


def test_whole_words_of_test_reviews_are_unknown(reviews: Path) -> None:
    test = load_dataset(config(reviews, "words", load_file("ngrams")).data).test
    assert (test.ids == 1).mean() > 0.9


@pytest.mark.slow
def test_words_tell_nothing_here(reviews: Path, tmp_path: Path) -> None:
    like = config(reviews, "words", load_file("ngrams"))
    assert run_experiment(like, tmp_path / "run").test.accuracy == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoder",
    [
        LSTMConfig(),
        SimpleRNNConfig(pooling="max"),
        Conv1DConfig(features=32),
        ConvStackConfig(kernel_size=3),
        PoolConfig(),
    ],
    ids=lambda encoder: encoder.kind,
)
@pytest.mark.parametrize("language", OPINIONS)
def test_every_encoder_reads_characters(language: str, encoder, tmp_path: Path) -> None:
    write_reviews(tmp_path / "reviews.csv", language, 3_000)
    model = ModelConfig(embedding=LearnedEmbedding(dim=32), encoder=encoder, dropout=0.0)
    like = Config(model=model, optimizer=OptimizerConfig(learning_rate=1e-2))
    reached = run_experiment(config(tmp_path / "reviews.csv", "characters", like), tmp_path / "run")
    assert reached.test.accuracy > 0.9
    check_readers(Predictor(tmp_path / "run"), tmp_path)
