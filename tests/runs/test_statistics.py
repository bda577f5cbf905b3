"""Spreads, ensembles and paired comparisons, against published values and plain ways to compute them."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.runs.statistics import (
    Spread,
    difference_interval,
    log_odds_weights,
    mcnemar,
    mean_logits,
    seeds_together,
)


def right(*counts: tuple[bool, bool, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which reviews two classifiers call right, from how many there are of each kind."""
    first = np.concatenate([np.full(count, a) for a, _, count in counts])
    second = np.concatenate([np.full(count, b) for _, b, count in counts])
    return first, second


def test_spread_of_five_numbers() -> None:
    spread = Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
    reach = 2.7764451 * math.sqrt(2.5 / 5)  # the quantile as tables of Student's t have it for 4 degrees of freedom
    assert astuple(spread) == pytest.approx((3.0, math.sqrt(2.5), 3 - reach, 3 + reach), rel=1e-6)
    assert astuple(Spread.of([0.5])) == (0.5, None, None, None)


def test_a_spread_as_text() -> None:
    assert f"{Spread.of([1.0, 2.0, 3.0]):.2f}" == "2.00 ± 1.00"
    assert f"{Spread.of([1.25]):.1f}" == "1.2"
    assert f"{Spread.of([3.0, 3.0]):.0f}" == "3"
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]).interval(".2f") == "1.04 – 4.96"
    assert Spread.of([1.0]).interval(".2f") == ""


def test_mean_logits_decide_together() -> None:
    logits = [np.array([2.0, -1.0], np.float32), np.array([-1.0, -1.0], np.float32), np.array([-0.5, 5.0], np.float32)]
    np.testing.assert_allclose(mean_logits(logits), [1 / 6, 1.0])
    np.testing.assert_allclose(mean_logits(logits, [1.0, 0.0, 2.0]), logits[0] + 2 * logits[2])


def test_weights_are_those_of_the_log_odds() -> None:
    """Positive reviews, of which there are 4, count 5 / 6 positive; of logit 1 are 3 of them and a negative one."""
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 1], np.int8)
    first = np.array([1, 1, 1, 1, -1, -1, -1, -1], np.float32)
    assert log_odds_weights([first], labels) == pytest.approx([np.log(2)], abs=1e-5)
    assert log_odds_weights([4 * first], labels) == pytest.approx([np.log(2) / 4], abs=1e-5)
    assert log_odds_weights([-first], labels) == [0.0]
    wrong = np.array([-1, 1, -1, 1, 1, -1, 1, -1], np.float32)
    assert log_odds_weights([first, wrong], labels) == pytest.approx([np.log(2), 0.0], abs=1e-5)


def test_weights_add_what_only_one_member_knows() -> None:
    """Two members that are right about different halves, and silent about the other, are both taken as they are."""
    labels = np.tile(np.array([1, 1, 1, 0, 0, 0, 0, 1], np.int8), 2)
    logits = np.array([1, 1, 1, 1, -1, -1, -1, -1], np.float32)
    silent = np.zeros(8, np.float32)
    members = [np.concatenate([logits, silent]), np.concatenate([silent, 2 * logits])]
    share = (3 * 9 / 10 + 1 / 10) / 4
    scale = np.log(share / (1 - share))
    assert log_odds_weights(members, labels) == pytest.approx([scale, scale / 2], abs=1e-5)


def test_members_that_are_always_right_have_finite_weights() -> None:
    labels = np.array([1, 1, 0, 0], np.int8)
    assert log_odds_weights([labels * 2.0 - 1], labels) == pytest.approx([np.log(3)], abs=1e-5)


def test_mcnemar_of_a_published_table() -> None:
    """Fagerland, Lydersen & Laake (2013), airway hyper-responsiveness of 21 children: 1 and 7 changed, p = 0.070."""
    first, second = right((True, True, 1), (True, False, 1), (False, True, 7), (False, False, 12))
    assert mcnemar(first, second) == pytest.approx((1, 7, 0.0703125))
    assert mcnemar(second, first) == pytest.approx((7, 1, 0.0703125))
    assert mcnemar(first, first) == (0, 0, 1.0)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_by_counting_tosses(b: int, c: int) -> None:
    found = mcnemar(*right((True, False, b), (False, True, c), (True, True, 5)))
    extreme = sum(math.comb(b + c, k) for k in range(b + c + 1) if abs(2 * k - b - c) >= abs(b - c))
    assert found[2] == pytest.approx(extreme / 2 ** (b + c))


def test_the_interval_over_reviews_is_that_of_the_normal_distribution_where_there_are_many() -> None:
    first, second = right((True, True, 4000), (True, False, 300), (False, True, 400), (False, False, 300))
    n, mean = 5000, 100 / 5000
    reach = 1.959964 * math.sqrt((700 / n - mean**2) / n)
    found = difference_interval(first[None], second[None])
    assert found == pytest.approx((mean - reach, mean + reach), abs=2e-5)
    assert difference_interval(second[None], first[None]) == pytest.approx((-found[1], -found[0]))
    assert difference_interval(first[None], first[None]) == (0.0, 0.0)


@pytest.mark.parametrize("spread", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("members", [(2, 2), (3, 3), (2, 5), (8, 8)])
def test_the_interval_covers_what_it_says_with_few_members(members: tuple[int, int], spread: float) -> None:
    """Simulated systems that are equally good: reviews are hard or easy for all, and seeds lucky or not."""
    draw, covered, trials = np.random.default_rng(0), 0, 500
    for _ in range(trials):
        hardness = draw.normal(-1, 1, 400)
        sides = [
            draw.normal(size=(count, 400)) + draw.normal(0, spread, (count, 1)) > hardness[None] for count in members
        ]
        low, high = difference_interval(*sides)
        covered += low <= 0 <= high
    assert covered / trials >= 0.92  # in many trials 0.93 to 0.99, less a standard error


def test_what_differs_in_its_seed_alone_belongs_together() -> None:
    configs = {"a": {"seed": 0, "dim": 8}, "b": {"seed": 0, "dim": 4}, "c": {"seed": 1, "dim": 8}}
    assert seeds_together(configs) == [["a", "c"], ["b"]]


def test_a_figure_that_is_not_defined_has_no_spread() -> None:
    """As the AUC over test reviews of one class."""
    spread = Spread.of([math.nan, math.nan])
    assert (f"{spread:.2f}", spread.interval(".2f"), spread.std) == ("-", "", None)
