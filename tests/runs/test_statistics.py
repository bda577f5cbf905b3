"""Spreads, ensembles and paired comparisons, against published values and plain ways to compute them."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.runs.statistics import (
    Spread,
    bootstrap_difference,
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


def test_bootstrap_over_reviews_is_that_of_the_normal_distribution_where_there_are_many() -> None:
    first, second = right((True, True, 4000), (True, False, 300), (False, True, 400), (False, False, 300))
    n, mean = 5000, 100 / 5000
    reach = 1.959964 * math.sqrt((700 / n - mean**2) / n)
    found = bootstrap_difference(first[None], second[None])
    assert found == pytest.approx((mean - reach, mean + reach), abs=6e-4)
    assert bootstrap_difference(second[None], first[None]) == pytest.approx((-found[1], -found[0]), abs=1e-3)
    assert bootstrap_difference(first[None], first[None]) == (0.0, 0.0)


def test_bootstrap_over_members_as_one_would_write_it_down() -> None:
    draw = np.random.default_rng(1)
    rates = draw.uniform(0.6, 0.9, 5)
    first, second = (draw.random((len(some), 80)) < some[:, None] for some in (rates[:3], rates[3:]))
    plain = []
    for _ in range(4_000):
        reviews = draw.integers(0, 80, 80)
        a, b = (side[draw.integers(0, len(side), len(side))][:, reviews].mean() for side in (first, second))
        plain.append(b - a)
    assert bootstrap_difference(first, second) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=0.012)


def test_what_differs_in_its_seed_alone_belongs_together() -> None:
    configs = {"a": {"seed": 0, "dim": 8}, "b": {"seed": 0, "dim": 4}, "c": {"seed": 1, "dim": 8}}
    assert seeds_together(configs) == [["a", "c"], ["b"]]


def test_a_figure_that_is_not_defined_has_no_spread() -> None:
    """As the AUC over test reviews of one class."""
    spread = Spread.of([math.nan, math.nan])
    assert (f"{spread:.2f}", spread.interval(".2f"), spread.std) == ("-", "", None)
