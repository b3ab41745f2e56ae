"""Every method at a size that compiles in seconds, for tests that must hold for all of them."""

import dataclasses

import numpy as np
import optax

from gan_jax import methods
from gan_jax.commands import presets
from gan_jax.core import quantities
from gan_jax.methods import base

QUANTITIES = quantities.measure(
    ("size", "light"), np.random.default_rng(0).gamma(2, 3, (40, 2)).astype(np.float32)
)
SHAPE = base.DataSpec(16, 2, ("not-a not-b", "not-a b", "a not-b"), (3, 1, 4), QUANTITIES)
SMALL = {"width": 4, "z_dim": 5, "ema": 0.9}
CASES = {
    "gan": ("gan", {}),
    "gan_hinge_r1": ("gan", {"loss": "hinge", "penalty": "r1", "penalty_every": 2}),
    "gan_simultaneous": ("gan", {"net": "keras", "simultaneous": True}),
    "gan_balance": (
        "gan",
        {"balance": True},
    ),  # on nets whose D is good enough after two steps for G to have its turn
    "gan_s1_section4": ("gan", {"net": "s1_section4"}),
    "gan_spectral": (
        "gan",
        {"net": "resnet", "spectral": "both", "augment": "color,translation,cutout,flip,rotation"},
    ),
    "wgan_gp": (
        "gan",
        {
            "loss": "wasserstein",
            "penalty": "wgan_gp",
            "n_disc": 3,
            "disc_norm": "none",
            "gen_norm": "none",
        },
    ),
    "dragan": ("gan", {"penalty": "dragan"}),
    "gan_rp": (
        "gan",
        {
            "loss": "rp",
            "penalty": "r1r2",
            "penalty_augmented": True,
            "augment": "color,translation,cutout",
            "augment_p": 0.2,
            "augment_p_end": 0.8,
            "input_noise": 0.1,
            "lambda_p_end": 1.0,
            "warmup_images": 16,
            "ema_images": 20,
        },
    ),
    "gan_ada": (
        "gan",
        {
            "augment": "flip:always,ada,cutout:0.5",
            "augment_target": 0.1,
            "augment_images": 200,
            "n_disc": 2,
        },
    ),
    "gan_pack": (
        "gan",
        {
            "pack": 2,
            "loss": "hinge",
            "penalty": "r1",
            "penalty_augmented": True,
            "augment": "translation",
            "lecam": 0.3,
            "consistency": 1.0,
        },
    ),
    "cgan_ra": (
        "gan",
        {"condition": "labels", "cond_disc": "projection", "loss": "ra_ls", "n_disc": 2},
    ),
    "cgan": ("gan", {"condition": "labels"}),
    "cgan_batchnorm_projection": (
        "gan",
        {"condition": "attributes", "cond_gen": "batchnorm", "cond_disc": "projection"},
    ),
    "cgan_maxout": ("gan", {"condition": "labels", "net": "maxout_cgan", "width": 8}),
    "cgan_r3gan": (
        "gan",
        {"condition": "labels", "net": "r3gan", "cond_gen": "own", "cond_disc": "own"},
    ),
    "cgan_quantities": (
        "gan",
        {
            "condition": "quantities",
            "cond_disc": "projection",
            "loss": "rp",
            "vicinity": 2.0,
            "gen_symmetry": "turn",
        },
    ),
    "acgan": ("acgan", {"net": "s1", "width": 8, "cond_gen": "product"}),
    "acgan_fake_class": ("acgan", {"fake_class": "extra", "penalty": "dragan"}),
    "acgan_d2d": (
        "acgan",
        {"class_loss": "d2d_ce", "d2d_dim": 6, "d2d_margin": 0.3, "spectral": "disc"},
    ),
    "acgan_adc": ("acgan", {"class_loss": "adc", "condition": "attributes"}),
    "mgan": (
        "mgan",
        {"n_gens": 3, "gen_batch": 8, "n_disc": 2, "input_noise": 0.1, "augment": "translation"},
    ),
    "mgan_once": ("mgan", {"n_gens": 3, "gen_batch": 8, "penalty": "dragan"}),
    "mgan_ra": ("mgan", {"n_gens": 3, "gen_batch": 8, "loss": "ra"}),
    "infogan": ("infogan", {"n_codes": 3}),
    "colorize": ("colorize", {"net": "unet"}),
    "colorize_rp": ("colorize", {"net": "unet", "loss": "rp_hinge"}),
    "distgan": ("distgan", {}),
    "distgan_enc_gen": (
        "distgan",
        {"recon_trains": "enc_gen", "hinge": "corrected", "recon_space": "pixels", "n_disc": 2},
    ),
    "distgan_toy": (
        "distgan",
        {
            "recon_trains": "enc_gen",
            "recon_space": "bce",
            "gap_space": "data",
            "rec_label": "fake",
            "disc_weights": "half",
        },
    ),
    "morpho": ("distgan", presets.MORPHO.defaults),
}
SHAPES = {case: base.DataSpec(16, 3) for case in ("colorize", "colorize_rp")}


def build(case, steps=10, spec=None):
    """The Method of a case. Its players take steps of length 0.1 with momentum: SGD, because Adam
    turns rounding into steps where gradients vanish; of fixed length, because players' gradients
    differ a thousandfold; with a state to lose.
    """
    name, options = CASES[case]
    module = methods.TABLE[name]
    method = module.build(
        dataclasses.replace(module.Settings(), **{**SMALL, **options}), spec or shape(case), steps
    )
    tx = optax.chain(optax.normalize_by_update_norm(), optax.sgd(0.1, momentum=0.5))
    return method._replace(players=tuple(p._replace(tx=tx) for p in method.players))


def shape(case):
    """The base.DataSpec of a case's data."""
    return SHAPES.get(case, SHAPE)


def colors(method):
    """Channels of the data of a Method."""
    return method.example_inputs["disc"][0].shape[-1] // getattr(method.hp, "pack", 1)


def batch(draws, n, seed=0, colors=SHAPE.colors):
    """{"image": float32 [draws, n, 16, 16, colors] in [0, 1], "label": int32 [draws, n],
    "quantities": float32 [draws, n, 2]}.
    """
    r = np.random.default_rng(seed)
    return {
        "image": r.random((draws, n, SHAPE.size, SHAPE.size, colors), np.float32),
        "label": r.integers(0, 3, (draws, n)).astype(np.int32),
        "quantities": r.gamma(2, 3, (draws, n, 2)).astype(np.float32),
    }


def one_batch(method, seed=0):
    """A batch of 8 images of a Method, as its losses take it."""
    return {name: array[0] for name, array in batch(1, 8, seed, colors(method)).items()}
