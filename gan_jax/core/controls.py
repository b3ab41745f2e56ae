"""What a run adapts after every step, such as the probability of an augmentation.

A new control is one function that makes a Control, in a module of its own, and one entry of the
list in methods.base.common_fields.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Control(NamedTuple):
    """Scalars of the training state, and how a step changes them.

    They are saved with every checkpoint. Losses read them as ctx.controls[name].
    """

    initial: dict[str, float]  # {name: value before the first step}
    # (controls, metrics, ctx) -> {name: scalar} of the names of `initial`; `controls` holds those
    # of all controls before this step, `metrics` {"player/term": scalar []} of this step, equal on
    # all devices, and ctx is the step's StepContext. A player that a gate skipped has zeros as its
    # metrics, and "player/ran" 0.
    update: Callable[..., dict[str, jax.Array]]


def combine(controls: Sequence[Control]) -> dict:
    """Make the fields `controls` and `control` of a Method from a list of controls.

    Raises:
      ValueError: two controls have a name in common.
    """
    if not controls:
        return {}
    names = [name for control in controls for name in control.initial]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Controls share names: {', '.join(twice)}.")

    def update(values, metrics, ctx):
        out = dict(values)
        for control in controls:
            for name, value in control.update(values, metrics, ctx).items():
                out[name] = jnp.asarray(value, values[name].dtype)
        return out

    initial = {name: value for control in controls for name, value in control.initial.items()}
    return {"controls": initial, "control": update}
