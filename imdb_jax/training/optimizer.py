"""The optax update of a config."""

import optax

from imdb_jax.config import OptimizerConfig

EPSILON = 1e-7  # Keras' default for every optimizer here but Adagrad


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The learning rate by step, over `steps` in all."""
    peak = config.learning_rate
    if config.schedule == "cosine":
        return optax.cosine_decay_schedule(peak, steps)
    if config.schedule == "one_cycle":
        return optax.cosine_onecycle_schedule(steps, peak)
    return optax.constant_schedule(peak)


def build_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Clipping, if asked for, then the update rule.

    RMSprop equals Keras' exactly. Adam's epsilon stands where Kingma & Ba put it, after the bias correction; Keras
    adds it before, which shows for gradients below about 1e-5 in the first steps (tests/training/test_optimizer.py).
    Adagrad's sums start at 0 (Duchi et al. 2011), to which 1e-10 is added below the root.
    """
    rate = learning_rate(config, steps)
    if config.name == "rmsprop":
        update = optax.rmsprop(rate, decay=0.9, eps=EPSILON)
    elif config.name == "adam":
        update = optax.adam(rate, eps=EPSILON)
    elif config.name == "adagrad":
        update = optax.adagrad(rate, initial_accumulator_value=0.0, eps=1e-10)
    else:
        update = optax.adamw(rate, eps=EPSILON, weight_decay=config.weight_decay)
    if config.clip_norm is None:
        return update
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
