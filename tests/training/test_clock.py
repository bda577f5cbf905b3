"""Compilations that a stopwatch counts."""

import threading

import jax
import jax.numpy as jnp

from imdb_jax.training.clock import Stopwatch


def test_programs_of_the_thread_that_saves_are_not_counted() -> None:
    x = jnp.zeros(3)
    with Stopwatch() as stopwatch:
        saving = threading.Thread(target=lambda: jax.jit(lambda x: x * 7 - 1)(x))
        saving.start()
        saving.join()
        assert stopwatch.compilations == 0
        jax.jit(lambda x: x * 11 - 1)(x)
        assert stopwatch.compilations == 1
