"""The systems of the toys at a size that compiles in seconds."""

import dataclasses

from gan_jax import methods
from gan_jax.commands import presets
from gan_jax.methods import base

SMALL = {"width": 8, "depth": 2, "n_gens": 3, "gen_batch": 4}


def small(system, **options):
    """A system of the toys with small nets."""
    name, hp, _ = presets.TOYS[system]
    fields = {f.name for f in dataclasses.fields(methods.TABLE[name].Settings)}
    hp = methods.TABLE[name].Settings(
        **{"ema": 0.0, **hp, **{k: v for k, v in (SMALL | options).items() if k in fields}}
    )
    return methods.TABLE[name].build(hp, base.DataSpec(1, 2), 200)
