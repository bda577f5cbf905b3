"""How far predicted probabilities can be believed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.training.metrics import calibration, confusion

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
