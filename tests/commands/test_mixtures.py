"""Mixtures of different systems as a user reads, compares and exports them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.inference.reader import JaxReader, ModelError, NumpyReader
from imdb_jax.runs.mixture import Mix
from imdb_jax.runs.run import Run
from imdb_jax.runs.statistics import log_odds_weights, mean_logits
from tests.commands.command_line import fails, run

CONFIG = """
from imdb_jax.config import *

config = Config(
    data=DataConfig(source="synthetic", limit=400, vocabulary_size=200, max_length=24),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder={encoder}),
    optimizer=OptimizerConfig(learning_rate=3e-2),
    training=TrainingConfig(batch_size=32, epochs=3),
)
"""
REVIEWS = ["A wonderful, brilliant film.", "Dull, awful.", "", "영화 한 편", "word " * 90]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems that read different tokens."""
    folder = tmp_path_factory.mktemp("mixtures")
    for name, encoder, *options in (
        ("pool", "PoolConfig()"),
        ("conv", "Conv1DConfig(features=8)", "--config.data.text.unit=characters", "--config.data.max_length=200"),
    ):
        (folder / f"{name}.py").write_text(CONFIG.format(encoder=encoder))
        process = run("imdb_jax.train", "--config", folder / f"{name}.py", "--workdir", folder / name, *options)
        assert process.returncode == 0, process.stderr.decode()
    return folder


def output(*arguments: str | Path, cwd: Path) -> str:
    process = run(*arguments, cwd=cwd)
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode()


def test_each_command_reads_a_mixture(folder: Path, tmp_path: Path) -> None:
    mixed = ("--workdir", "pool", "--mix", "conv", "--weights=3,1")
    runs = [Run(folder / name) for name in ("pool", "conv")]
    kept = [each.predictions("validation") for each in runs]
    weights = [3 / 4 * log_odds_weights([kept[0].logits], kept[0].labels)[0]]
    weights += [1 / 4 * log_odds_weights([kept[1].logits], kept[1].labels)[0]]
    together = weights[0] * kept[0].logits + weights[1] * kept[1].logits

    found = json.loads(output("imdb_jax.evaluate", *mixed, cwd=folder))
    assert found["weights"] == pytest.approx({"pool": weights[0], "conv": weights[1]})
    assert found["accuracy"] == ((together > 0) == kept[0].labels).mean()
    assert found["loss"] == pytest.approx(np.logaddexp(0, np.where(kept[0].labels, -together, together)).mean())

    def probabilities(*options: str) -> np.ndarray:
        lines = output("imdb_jax.predict", *options, "--output", "jsonl", *REVIEWS, cwd=folder).splitlines()
        return np.array([json.loads(line)["probability"] for line in lines])

    alone = [np.log(p / (1 - p)) for p in (probabilities("--workdir", name) for name in ("pool", "conv"))]
    predicted = probabilities(*mixed)
    np.testing.assert_allclose(predicted, 1 / (1 + np.exp(-mean_logits(alone, weights))), atol=1e-6)

    output("imdb_jax.export", *mixed, "--out", tmp_path / "model.zip", cwd=folder)
    for kind in (JaxReader, NumpyReader):
        np.testing.assert_allclose(kind(tmp_path / "model.zip").probabilities(REVIEWS), predicted, atol=1e-6)
    damaged = (tmp_path / "model.zip").read_bytes().replace(b"[UNK]", b"[unk]", 1)
    (tmp_path / "model.zip").write_bytes(damaged)
    with pytest.raises(ModelError, match=r"0\.zip: has changed since it was written|not a model of imdb_jax"):
        NumpyReader(tmp_path / "model.zip")

    compared = output("imdb_jax.compare", "pool", "pool", "--mix", "conv", "--weights=3,1", cwd=folder)
    assert re.search(rf"│ pool \+ conv +│ +2 │ +{100 * found['accuracy']:.2f} │", compared)
    page = tmp_path / "page.html"
    output("imdb_jax.report", "pool", "--mix", "conv", "--weights=3,1", "--out", page, cwd=folder)
    row = page.read_text().partition(f"logit = {weights[0]:.3g} pool + {weights[1]:.3g} conv</td>")[2]
    assert f"{100 * found['accuracy']:.2f}</td>" in row.partition("</tr>")[0]
    assert [reading["command"] for reading in runs[1].test_readings()] == ["train", "report"]


def test_validation_chooses_weights(folder: Path) -> None:
    kept = [Run(folder / name).predictions("validation") for name in ("pool", "conv")]
    chosen = Mix(mix=(str(folder / "conv"),)).with_first(str(folder / "pool"))
    assert chosen.weights == log_odds_weights([each.logits for each in kept], kept[0].labels)
    assert Mix().with_first(str(folder / "pool")).weights is None


def test_mistakes_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = ("imdb_jax.evaluate", "--workdir", "pool", "--mix")
    for weights in ("1", "1,2,3", "1,x", "0,0", "-1,2", "nan,1"):
        told = fails(2, *mixed, "conv", f"--weights={weights}", cwd=folder)
        assert f"--weights: {weights!r}; must be 2 numbers" in told
    assert "--weights: '1'; only for several runs" in fails(2, *mixed[:3], "--weights=1", cwd=folder)
    assert "nowhere: not a finished run" in fails(66, *mixed, "nowhere", cwd=folder)
    monkeypatch.setattr(Run, "has_reviews_of", lambda run, other, split: run.folder == other.folder)
    assert "pool, conv: not of the same reviews; give --weights" in fails(65, *mixed, "conv", cwd=folder)
    told = fails(65, *mixed, "conv", "--weights=1,1", cwd=folder)
    assert "pool, conv: not of the same reviews; mix runs that share them" in told
    Mix(mix=(str(folder / "conv"),), weights="1,1").with_first(str(folder / "pool"))  # reads what is new
    monkeypatch.setattr("imdb_jax.runs.mixture.log_odds_weights", lambda logits, labels: [0.0] * len(logits))
    told = fails(65, *mixed, "conv", "--weights=1,1", cwd=folder)
    assert told.endswith("pool, conv: none is better than chance on validation")
