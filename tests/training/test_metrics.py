"""Figures of predictions against counts by plain loops."""

import dataclasses
import math
from dataclasses import astuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.training.metrics import TrainScores, calibration, confusion, score
from imdb_jax.training.step import Metrics

# Few values, so that ties are common; 0 is called negative.
LOGITS = st.sampled_from([-1000.0, -2.5, -1e-30, 0.0, 1e-30, 0.5, 3.0, 1000.0]) | st.floats(-50, 50)
PREDICTIONS = st.lists(st.tuples(LOGITS, st.integers(0, 1)), min_size=1, max_size=30)


def arrays(predictions: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    logits, labels = zip(*predictions, strict=True)
    return np.array(logits), np.array(labels, np.int8)


def cross_entropy(logit: float, label: int) -> float:
    wrong = -logit if label else logit
    return max(wrong, 0) + math.log1p(math.exp(-abs(wrong)))


@given(PREDICTIONS)
def test_scores_equal_plain_counts(predictions: list[tuple[float, int]]) -> None:
    scores = score(*arrays(predictions))
    count = len(predictions)
    hits = sum(logit > 0 and label == 1 for logit, label in predictions)
    called, positives = sum(logit > 0 for logit, _ in predictions), sum(label for _, label in predictions)
    assert scores.examples == count
    assert scores.accuracy == pytest.approx(sum((logit > 0) == label for logit, label in predictions) / count)
    assert scores.loss == pytest.approx(sum(cross_entropy(*one) for one in predictions) / count, abs=1e-12)
    assert scores.f1 == pytest.approx(2 * hits / (called + positives) if called + positives else 0)


@given(PREDICTIONS)
def test_auc_is_the_share_of_pairs_in_the_right_order(predictions: list[tuple[float, int]]) -> None:
    pairs = [(a, b) for a, positive in predictions if positive for b, other in predictions if not other]
    wins = [(a > b) + (a == b) / 2 for a, b in pairs]
    expected = sum(wins) / len(wins) if wins else math.nan
    assert score(*arrays(predictions)).auc == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc(label: int) -> None:
    assert math.isnan(score(np.array([-1.0, 2.0]), np.array([label, label])).auc)


def test_scores_are_summed_in_float64() -> None:
    logits = np.full(200_000, 1e-4, np.float32)
    logits[0] = 1e7
    exact = (1e7 + 199_999 * cross_entropy(float(logits[1]), 0)) / 200_000
    assert score(logits, np.zeros(200_000)).loss == pytest.approx(exact, rel=1e-12)


def batch(size: int = 12) -> tuple[jax.Array, jax.Array, jax.Array]:
    random = np.random.default_rng(0)
    logits, labels, weights = random.normal(scale=3, size=size), random.integers(0, 2, size), np.arange(size) % 3 > 0
    return tuple(jnp.asarray(array, jnp.float32) for array in (logits, labels, weights))


def test_metrics_are_the_means_of_weighted_reviews() -> None:
    logits, labels, weights = (np.asarray(array) for array in batch())
    real = weights == 1
    expected = score(logits[real], labels[real])
    computed = Metrics.of(*batch()).compute()
    assert (computed.loss, computed.accuracy) == pytest.approx((expected.loss, expected.accuracy), rel=1e-6)
    assert computed.loss == pytest.approx(float(optax.sigmoid_binary_cross_entropy(*batch()[:2])[real].mean()))


def test_merged_parts_equal_the_whole() -> None:
    merged = Metrics(*jnp.zeros(3))
    for part in (slice(0, 1), slice(1, 8), slice(8, 12)):
        merged = jax.tree.map(jnp.add, merged, Metrics.of(*(array[part] for array in batch())))
    whole = Metrics.of(*batch()).compute()
    assert astuple(merged.compute()) == pytest.approx(astuple(whole), rel=1e-6)
    assert float(merged.weight) == float(batch()[2].sum())


def test_rows_of_weight_0_do_not_count() -> None:
    logits, labels, weights = batch()
    garbage = jnp.where(weights == 0, 1000.0, logits), jnp.where(weights == 0, 0.0, labels)
    assert Metrics.of(*garbage, weights).compute() == Metrics.of(logits, labels, weights).compute()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_extreme_logits_have_finite_losses(label: float) -> None:
    logits = np.array([-1000, 1000], np.float32)
    labels = np.full(2, label, np.float32)
    computed = Metrics.of(jnp.asarray(logits), jnp.asarray(labels), jnp.ones(2)).compute()
    assert computed == TrainScores(loss=500.0, accuracy=0.5)
    assert score(logits, labels).loss == 500.0


def test_a_logit_that_is_no_number_makes_every_figure_none() -> None:
    scores = score(np.array([math.nan, 2.0, -1.0]), np.array([1, 1, 0]))
    assert all(math.isnan(figure) for figure in dataclasses.astuple(scores)[:4])
    assert scores.examples == 3


@given(PREDICTIONS)
def test_confusion_counts_every_review_once(predictions: list[tuple[float, int]]) -> None:
    counts = confusion(*arrays(predictions))
    assert counts.tolist() == [
        [sum((logit > 0) == called and label == row for logit, label in predictions) for called in (0, 1)]
        for row in (0, 1)
    ]


def test_calibration_by_hand() -> None:
    probabilities = np.array([0.1, 0.3, 0.6, 0.8, 0.9])
    found = calibration(np.log(probabilities / (1 - probabilities)), np.array([0, 1, 1, 1, 0]), bins=2)
    assert found.counts.tolist() == [2, 3]
    np.testing.assert_allclose(found.predicted, [0.2, 2.3 / 3])
    np.testing.assert_allclose(found.observed, [1 / 2, 2 / 3])
    assert found.error == pytest.approx((2 * 0.3 + 3 * 0.1) / 5)


@given(PREDICTIONS)
def test_calibration_equals_plain_loops(predictions: list[tuple[float, int]]) -> None:
    found = calibration(*arrays(predictions))
    chances = [math.exp(-np.logaddexp(0, -logit)) for logit, _ in predictions]
    error = 0.0
    for m in range(10):
        inside = [(p, y) for p, (_, y) in zip(chances, predictions, strict=True) if min(int(p * 10), 9) == m]
        assert found.counts[m] == len(inside)
        error += abs(sum(y - p for p, y in inside))
        assert np.isnan(found.predicted[m]) == (not inside)
    assert found.error == pytest.approx(error / len(predictions), abs=1e-9)


def test_extreme_probabilities_fall_into_the_outer_bins() -> None:
    found = calibration(np.array([-1000.0, 1000.0]), np.array([0, 1]))
    assert found.counts.tolist() == [1, *[0] * 8, 1]
    assert found.error == 0
