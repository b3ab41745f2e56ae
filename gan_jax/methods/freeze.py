"""FreezeD: the first layers of D keep the weights that the run begins with.

Source: Mo, Cho and Shin 2020, "Freeze the Discriminator: a Simple Baseline for Fine-Tuning GANs".
"""

from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.core.method import Method, Player
from gan_jax.core.state import Vars
from gan_jax.errors import InputError
from gan_jax.nets import depth
from gan_jax.nets.depth import Path


def first_layers(method: Method, n: int) -> list[list[Path]]:
    """Return the first n hidden layers of D, see nets.depth.

    Raises:
      InputError: D has fewer, or the method has no D.
    """
    if "disc" not in method.nets:
        raise InputError(
            f"--freeze_disc={n} needs a net called disc; this method has "
            f"{', '.join(method.nets)}. Leave --freeze_disc out."
        )
    layers = depth.hidden_layers(method.nets["disc"], method.example_inputs["disc"])
    if n > len(layers):
        raise InputError(
            f"--freeze_disc={n}, but D has {len(layers)} layers in front of its heads; use "
            f"{len(layers)} or fewer."
        )
    return layers[:n]


def freeze_disc(method: Method, n: int) -> Method:
    """Return the method with the first n hidden layers of D frozen.

    Their kernels, biases and norms keep their weights, whichever player trains D. Running
    statistics, and the vectors of spectral norm, follow the data as before.

    Args:
      method: Method.
      n: number of layers, 1 or more.

    Raises:
      InputError: see `first_layers`.
    """
    paths = {path for layer in first_layers(method, n) for path in layer}
    players = tuple(
        freeze(player, "disc", paths) if "disc" in player.nets else player
        for player in method.players
    )
    return method._replace(players=players)


def freeze(player: Player, net: str, paths: Collection[Path]) -> Player:
    """Return a player that leaves layers of one of its nets as they are, bit for bit.

    Their gradients are zero and are not computed, so metrics such as grad_norm are of the others.

    Args:
      player: Player.
      net: name of the net.
      paths: paths of the modules that hold the parameters.
    """

    def replace(params: Any, new) -> dict[str, Any]:
        """Replace the frozen leaves of {net: parameters} by new(leaf)."""

        def choose(keys, leaf):
            return new(leaf) if tuple(key.key for key in keys)[:-1] in paths else leaf

        return {**params, net: jax.tree_util.tree_map_with_path(choose, params[net])}

    def loss(ctx, vs, batch, key):
        held = Vars(replace(vs.params, jax.lax.stop_gradient), vs.batch_stats)
        return player.loss(ctx, held, batch, key)

    tx = optax.with_extra_args_support(player.tx)

    def update(updates, state, params=None, **extra):
        updates, state = tx.update(updates, state, params, **extra)
        # Momentum and clipping move weights without a gradient. Adding -0.0 changes no bit.
        return replace(updates, lambda leaf: jnp.full_like(leaf, -0.0)), state

    return player._replace(
        loss=loss, tx=optax.GradientTransformationExtraArgs(player.tx.init, update)
    )
