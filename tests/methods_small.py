"""Every method at a size that compiles in seconds, for tests that must hold for all of them."""

import dataclasses

import numpy as np
import optax

from gan_jax import methods
from gan_jax.methods import base

SHAPE = base.Shape(16, 2)
SMALL = {"width": 4, "z_dim": 5, "ema": 0.9}
CASES = {
    "gan": ("gan", {}),
    "gan_hinge_r1": ("gan", {"loss": "hinge", "penalty": "r1"}),
    "wgan_gp": ("gan", {"loss": "wasserstein", "penalty": "wgan_gp", "n_disc": 3, "disc_norm": "none"}),
    "dragan": ("gan", {"penalty": "dragan"}),
    "distgan": ("distgan", {}),
    "distgan_enc_gen": ("distgan", {"recon_trains": "enc_gen", "hinge": "corrected", "recon_space": "pixels"}),
    "morpho": ("distgan", {"net": "hdcgan", "penalty": "dragan", "penalty_norm": "l2", "lambda_p": 10.0, "input_noise": 0.05}),
}


def build(case, steps=10):
    """The Method of a case. Its players take steps of length 0.1 with momentum: SGD, because Adam turns rounding into steps
    where gradients vanish; of fixed length, because players' gradients differ a thousandfold; with a state to lose."""
    name, options = CASES[case]
    module = methods.TABLE[name]
    method = module.build(dataclasses.replace(module.Settings(), **{**SMALL, **options}), SHAPE, steps)
    tx = optax.chain(optax.normalize_by_update_norm(), optax.sgd(0.1, momentum=0.5))
    return method._replace(players=tuple(p._replace(tx=tx) for p in method.players))


def batch(draws, n, seed=0):
    """{"image": float32 [draws, n, 16, 16, 2] in [0, 1], "label": int32 [draws, n]}."""
    r = np.random.default_rng(seed)
    return {
        "image": r.random((draws, n, SHAPE.size, SHAPE.size, SHAPE.colors), np.float32),
        "label": r.integers(0, 3, (draws, n)).astype(np.int32),
    }
