"""How methods are told a condition: a class, attributes or quantities."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.core import parallel, quantities
from gan_jax.core.conditioning import ByIndex
from gan_jax.core.keys import KeyStream, fold
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.methods.base import DataSpec


def reading(hp, net: str) -> str:
    """Return how a net reads the condition, see nets.conditional; "" without one."""
    if hp.condition == "none":
        return ""
    return "own" if base.family(hp).reads_condition else getattr(hp, f"cond_{net}")


def class_latent(spec: DataSpec) -> Callable:
    """Make the `latent` of a class-conditional method.

    Classes are as frequent as in the training data.
    """
    logits = jnp.log(jnp.asarray(spec.counts or [1] * len(spec.classes), jnp.float32))

    def sample_classes(key, shape):
        return jax.random.categorical(key, logits, shape=shape)

    def latent(ctx, key, n):
        class_key = fold(key, KeyStream.SAMPLED_CONDITION)
        classes = parallel.random_rows(ctx, sample_classes, class_key, (n,))
        return base.sample_noise(ctx, key, n), classes

    return latent


def quantity_latent(spec: DataSpec) -> Callable:
    """Make the `latent` of a method conditional on quantities.

    Values are as frequent as in the training data.
    """

    def sample_values(key, shape):
        return quantities.draw(key, shape[0], spec.quantities)

    def latent(ctx, key, n):
        value_key = fold(key, KeyStream.SAMPLED_CONDITION)
        shape = (n, len(spec.quantities.names))
        values = parallel.random_rows(ctx, sample_values, value_key, shape)
        return base.sample_noise(ctx, key, n), values

    return latent


def by_class(spec: DataSpec) -> ByIndex:
    """Return the conditioning of a class-conditional method."""
    return ByIndex("class", spec.classes, spec.counts)


def check(hp, spec: DataSpec) -> None:
    """Refuse a condition that the data or the nets do not have.

    Raises:
      InputError
    """
    if getattr(hp, "vicinity", 0) and hp.condition != "quantities":
        raise InputError(
            f"--vicinity={hp.vicinity} is for --condition=quantities, and here it is "
            f"{hp.condition}; leave it out."
        )
    if hp.condition == "none":
        return
    if hp.condition == "quantities":
        if not spec.quantities.names:
            raise InputError(
                "--condition=quantities needs real numbers of each image, and the data have none; "
                "name a column of a table of them, --labels=FILE:COLUMN."
            )
    elif len(spec.classes) < 2:
        raise InputError(
            f"--condition={hp.condition} needs classes, and the data have none; "
            "name data with labels by --data."
        )
    if hp.condition == "attributes" and base.attribute_table(hp, spec) is None:
        raise InputError(
            "--condition=attributes needs classes named by attributes, such as 'Male not-Smiling'; "
            f"these are {', '.join(spec.classes[:4])}. Use --condition=labels."
        )
    nets = base.family(hp)
    normed = nets.has_batch_norm and not nets.supports_points and hp.gen_norm == "batch"
    if hp.cond_gen == "batchnorm" and not normed:
        raise InputError(
            "--cond_gen=batchnorm needs a generator with BatchNorm; use concat or product."
        )
    for name in ("cond_gen", "cond_disc"):
        if getattr(hp, name, "") == "own" and not (nets.takes_condition or nets.reads_condition):
            raise InputError(
                f"--{name}=own is for nets that read a condition by themselves, such as r3gan, and "
                f"--net={hp.net} does not; use --{name}=concat."
            )
