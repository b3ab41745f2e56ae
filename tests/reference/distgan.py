"""Dist-GAN's losses (Tran et al. 2018; S3 eqs. 1 to 4) in float64 numpy, written from the formulas.

Arrays in, numbers out; nothing here knows how gan_jax computes them.
"""

import math

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def distance(a, b):
    """M_d: average over samples and dimensions of a - b, one number at a time."""
    total = 0.0
    for row_a, row_b in zip(a, b, strict=True):
        for value_a, value_b in zip(row_a, row_b, strict=True):
            total += value_a - value_b
    return total / a.size


def feature_error(real_f, rec_f):
    """Mean over samples and features."""
    return (
        sum((p - q) ** 2 for p, q in zip(real_f.ravel(), rec_f.ravel(), strict=True)) / real_f.size
    )


def pixel_error(x, rec):
    """|x - G(E(x))|^2 summed over an image's pixels, averaged over images."""
    return sum(np.linalg.norm((p - q).ravel()) ** 2 for p, q in zip(x, rec, strict=True)) / len(x)


def latent_data(rec_f, fake_f, ze, z, lambda_w=None):
    """md_x - md_z, whose square is the regulariser."""
    if lambda_w is None:
        lambda_w = math.sqrt(z.shape[1] / rec_f.shape[1])
    return distance(rec_f, fake_f) - lambda_w * distance(ze, z)


def schedule(t):
    """(w_real, w_recon) at t = step / steps."""
    if t <= 0.5:
        mu = 0.0
    elif t < 0.75:
        mu = 0.2 * (t - 0.5)
    else:
        mu = 0.05
    return 0.95 + mu, 0.05 - mu


def log_terms(real, rec, fake):
    """D's mean log losses; reconstructions are labelled real."""
    return (
        -np.mean(np.log(sigmoid(real))),
        -np.mean(np.log(sigmoid(rec))),
        -np.mean(np.log(1 - sigmoid(fake))),
    )


def hinge_terms(real, rec, fake):
    """The same with hinges."""
    return (
        -np.mean(np.minimum(0, -1 + real)),
        -np.mean(np.minimum(0, -1 + rec)),
        -np.mean(np.minimum(0, -1 - fake)),
    )


def slope_penalty(slopes):
    return np.mean((slopes - 1) ** 2)


def score_distance(real, fake):
    """G's loss from logits."""
    return abs(np.mean(sigmoid(real)) - np.mean(sigmoid(fake)))
