"""Updates are Keras' and learning rates take their course (tests/golden/generate_models.py)."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imdb_jax.config import OptimizerConfig
from imdb_jax.training.optimizer import build_optimizer, learning_rate

GOLDEN = Path(__file__).parents[1] / "golden" / "models.npz"
NAMES = ["rmsprop", "adam", "adamw"]
SCHEDULES = ["constant", "cosine", "one_cycle"]


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    """So that differences are those of the formulas."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return {name: arrays[f"optimizers/{name}"] for name in ("initial", "gradients", "rmsprop", "adam")}


def trajectory(config: OptimizerConfig, initial: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Parameters after each step."""
    optimizer = build_optimizer(config, len(gradients))
    params, points = jnp.asarray(initial, jnp.float64), []
    state = optimizer.init(params)
    for gradient in gradients:
        updates, state = optimizer.update(jnp.asarray(gradient, jnp.float64), state, params)
        params = optax.apply_updates(params, updates)
        points.append(params)
    return np.stack(points)


def adam(initial: np.ndarray, gradients: np.ndarray, epsilon_before_correction: bool) -> np.ndarray:
    """Kingma & Ba 2015, algorithm 1, or with Keras' place of epsilon, that of the last lines of their section 2."""
    params, mean, square, points = initial.astype(np.float64), 0.0, 0.0, []
    for t, gradient in enumerate(gradients.astype(np.float64), start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        correction = np.sqrt(1 - 0.999**t)
        epsilon = 1e-7 / correction if epsilon_before_correction else 1e-7
        params = params - 1e-3 * mean / (1 - 0.9**t) / (np.sqrt(square) / correction + epsilon)
        points.append(params)
    return np.stack(points)


def test_rmsprop_equals_keras(golden: dict[str, np.ndarray]) -> None:
    ours = trajectory(OptimizerConfig(name="rmsprop"), golden["initial"], golden["gradients"])
    np.testing.assert_allclose(ours, golden["rmsprop"], rtol=1e-7)  # the golden file is rounded to float32


def test_adam_differs_from_keras_by_the_place_of_epsilon_alone(golden: dict[str, np.ndarray]) -> None:
    arguments = golden["initial"], golden["gradients"]
    ours = trajectory(OptimizerConfig(name="adam"), *arguments)
    np.testing.assert_allclose(ours, adam(*arguments, epsilon_before_correction=False), rtol=1e-12)
    # Keras rounds its betas to float32; the place of epsilon makes a difference of 1e-3 here.
    np.testing.assert_allclose(golden["adam"], adam(*arguments, epsilon_before_correction=True), atol=1e-7)


def test_adam_equals_keras_but_for_tiny_gradients(golden: dict[str, np.ndarray]) -> None:
    ours = trajectory(OptimizerConfig(name="adam"), golden["initial"], golden["gradients"])
    scale = np.abs(golden["gradients"]).mean(axis=0)
    difference = np.abs(ours - golden["adam"]).max(axis=0)
    assert (difference[scale > 0.01] < 1e-6).all()
    assert (difference[scale < 1e-5] > 1e-4).all()


def test_adagrad_divides_by_the_root_of_the_sum_of_squares() -> None:
    gradients = np.array([[3.0, 0.0], [4.0, 0.0], [0.0, -2.0]])
    found = trajectory(OptimizerConfig(name="adagrad", learning_rate=0.1), np.zeros(2), gradients)
    steps = [[0.1, 0.0], [0.1 * 4 / 5, 0.0], [0.0, -0.1]]
    np.testing.assert_allclose(found, -np.cumsum(steps, axis=0), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_clipping_shortens_a_gradient_to_the_norm(name: str) -> None:
    gradients = np.array([[0.3, 0.4], [3.0, 4.0], [-6.0, 8.0]])
    clipped = np.array([[0.3, 0.4], [0.6, 0.8], [-0.6, 0.8]])
    start = np.ones(2)
    with_clipping = trajectory(OptimizerConfig(name=name, clip_norm=1.0), start, gradients)
    np.testing.assert_allclose(with_clipping, trajectory(OptimizerConfig(name=name), start, clipped), rtol=1e-12)
    assert not np.allclose(with_clipping, trajectory(OptimizerConfig(name=name), start, gradients), rtol=1e-6)


def test_adamw_decays_weights_apart_from_the_gradient() -> None:
    config = OptimizerConfig(name="adamw", learning_rate=0.1, weight_decay=0.5)
    start, still = np.array([1.0, -2.0]), np.zeros((3, 2))
    np.testing.assert_allclose(trajectory(config, start, still), start * 0.95 ** np.arange(1, 4)[:, None])
    np.testing.assert_array_equal(trajectory(OptimizerConfig(name="adam"), start, still), np.stack([start] * 3))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_updates_follow_the_schedule_from_its_first_step(schedule: str) -> None:
    """Adam moves by the learning rate as long as the gradient stays the same."""
    config = OptimizerConfig(name="adam", learning_rate=0.01, schedule=schedule)
    points = trajectory(config, np.zeros(1), np.ones((20, 1)))
    rates = [float(learning_rate(config, 20)(step)) for step in range(20)]
    np.testing.assert_allclose(-np.diff(points[:, 0], prepend=0), rates, rtol=1e-6)


def rates(schedule: str, steps: int) -> np.ndarray:
    rate = learning_rate(OptimizerConfig(learning_rate=0.01, schedule=schedule), steps)
    return np.array([float(rate(step)) for step in range(steps + 1)])


def test_constant_stays() -> None:
    np.testing.assert_allclose(rates("constant", 10), 0.01)


def test_cosine_falls_from_the_learning_rate_to_0() -> None:
    course = rates("cosine", 100)
    np.testing.assert_allclose(course[[0, 50, 100]], [0.01, 0.005, 0], atol=1e-9)
    assert (np.diff(course) < 0).all()


def test_one_cycle_peaks_at_the_learning_rate() -> None:
    course = rates("one_cycle", 100)
    peak = course.argmax()
    assert 0 < peak < 50
    assert course[peak] == pytest.approx(0.01)
    assert (np.diff(course[: peak + 1]) > 0).all()
    assert (np.diff(course[peak:]) < 0).all()
    assert course[100] < 1e-6


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_single_step_has_a_learning_rate(schedule: str) -> None:
    assert rates(schedule, 1)[0] == pytest.approx(0.01)
