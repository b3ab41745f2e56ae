"""Penalties against closed forms and brute force; second derivatives against differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel, penalties
from gan_jax.core.method import StepContext
from gan_jax.methods.settings import BaseSettings

pytestmark = pytest.mark.usefixtures("float64")

CTX = StepContext({}, BaseSettings(), {})
KEY = jax.random.key(11)
SHAPE = (4, 2, 3, 1)
B, D = SHAPE[0], 6


def batch(seed, shape=SHAPE):
    """Images in [0, 1], of a different brightness each."""
    r = np.random.default_rng(seed)
    return r.random(shape) * np.linspace(0.3, 1, shape[0]).reshape(-1, 1, 1, 1)


REAL, FAKE = batch(0), batch(1)
SETTINGS = {  # {case: settings}
    "wgan_gp_l2": {"penalty": "wgan_gp"},
    "wgan_gp_rms": {"penalty": "wgan_gp", "penalty_norm": "rms"},
    "dragan_code": {"penalty": "dragan"},
    "dragan_rms": {"penalty": "dragan", "penalty_norm": "rms"},
    "dragan_gauss": {"penalty": "dragan", "perturbation": "gauss"},
    "dragan_centered": {"penalty": "dragan", "perturbation": "centered"},
    "r1": {"penalty": "r1"},
    "r2": {"penalty": "r2"},
    "r1r2": {"penalty": "r1r2"},
}


def penalty(case, score, x, fake, key, axis=None):
    hp = dataclasses.replace(BaseSettings(), **SETTINGS[case])
    ctx = CTX._replace(hp=hp, axis=axis)
    return penalties.penalty(ctx, score, jnp.asarray(x), jnp.asarray(fake), key)


def point(case, x, fake, key):
    """Where a case measures the slope, in numpy."""
    if case in ("r1", "r2"):
        return {"r1": x, "r2": fake}[case]
    if case == "r1r2":
        return np.concatenate([x, fake])
    if case.startswith("wgan_gp"):
        a = np.asarray(jax.random.uniform(key, (len(x), 1, 1, 1)))
        return (1 - a) * x + a * fake
    key_pixel, key_sample = jax.random.split(key)
    if case == "dragan_gauss":
        return x + 0.5 * x.std() * np.asarray(jax.random.normal(key_pixel, x.shape))
    u = np.asarray(jax.random.uniform(key_pixel, x.shape))
    if case == "dragan_centered":
        return x + x.std() * (u - 0.5)
    return x + np.asarray(jax.random.uniform(key_sample, (len(x), 1, 1, 1))) * 0.5 * x.std() * u


def expected(case, slopes):
    """The penalty from l2 slopes [B]; of r1r2 [2 B], those of the reals first."""
    if case == "r1r2":
        return np.mean(slopes**2)
    if case in ("r1", "r2"):
        return 0.5 * np.mean(slopes**2)
    return np.mean((slopes / (np.sqrt(D) if case.endswith("rms") else 1) - 1) ** 2)


@pytest.mark.parametrize("case", SETTINGS)
def test_linear(case):
    """D(x) = w.x: (|w| - 1)^2, (|w| / sqrt(d) - 1)^2, |w|^2 / 2, whatever the batch."""
    w = np.array([0.5, -2.0, 0.1, 1.0, 3.0, -0.7])
    score = lambda x: x.reshape(len(x), -1) @ w
    value = expected(case, np.full(1, np.sqrt(np.sum(w**2))))
    for x, fake, key in [(REAL, FAKE, KEY), (10 * FAKE, REAL, jax.random.key(1))]:
        np.testing.assert_allclose(penalty(case, score, x, fake, key), value, rtol=1e-10)


@pytest.mark.parametrize("case", SETTINGS)
def test_quadratic(case):
    """D(x) = x'Ax / 2 has slope |Ax|, which differs between samples and between points."""
    a = np.random.default_rng(2).normal(size=(D, D))
    a = a + a.T
    score = lambda x: (
        0.5 * jnp.einsum("bi,ij,bj->b", *[x.reshape(len(x), -1), a, x.reshape(len(x), -1)])
    )
    slopes = np.linalg.norm(point(case, REAL, FAKE, KEY).reshape(-1, D) @ a, axis=1)
    assert slopes.std() > 0.2
    value = penalty(case, score, REAL, FAKE, KEY)
    np.testing.assert_allclose(value, expected(case, slopes), rtol=1e-10)


@pytest.mark.parametrize("case", ["wgan_gp_l2", "wgan_gp_rms", "dragan_code", "r1", "r1r2"])
def test_finite_where_d_is_constant(case):
    """In float32, D = 0 has penalty 1 (R1: 0) and a finite gradient through the square root."""
    with jax.enable_x64(False):
        zero = {"w": jnp.zeros((D, 5)), "v": jnp.zeros(5)}
        score = lambda p: lambda x: jnp.tanh(x.reshape(len(x), -1) @ p["w"]) @ p["v"]
        x, fake = jnp.float32(REAL), jnp.float32(FAKE)
        of_weights = lambda p: penalty(case, score(p), x, fake, KEY)
        value, grads = jax.jit(jax.value_and_grad(of_weights))(zero)
    np.testing.assert_allclose(value, 0 if case.startswith("r1") else 1, atol=1e-5)
    assert all(np.isfinite(g).all() for g in grads.values())


HIDDEN = 3
THETA = np.random.default_rng(3).normal(size=D * HIDDEN + 2 * HIDDEN)


def mlp(theta, x, xp, coupled):
    """Two-layer D with its parameters in one vector.

    coupled: with BatchNorm in front of the tanh. xp: numpy or jnp.
    """
    w, b, v = theta[: D * HIDDEN].reshape(D, HIDDEN), theta[D * HIDDEN : -HIDDEN], theta[-HIDDEN:]
    h = x.reshape(len(x), -1) @ w
    if coupled:
        h = h - h.mean(0)
        h = h / xp.sqrt((h**2).mean(0) + 1e-5)
    return xp.tanh(h + b) @ v


def jacobian(theta, x, coupled):
    """d logit_i / d x_j of `mlp` by complex steps in numpy, exact to rounding: [B, H, W, C, B]."""
    steps = 1e-30j * np.eye(x.size).reshape(-1, *x.shape)
    return np.stack([mlp(theta, x + step, np, coupled).imag / 1e-30 for step in steps]).reshape(
        *x.shape, len(x)
    )


@pytest.mark.long
@pytest.mark.parametrize("coupled", [False, True], ids=["mlp", "batch_norm"])
@pytest.mark.parametrize("case", ["wgan_gp_l2", "wgan_gp_rms", "dragan_code", "r1", "r2", "r1r2"])
def test_value_and_second_order_gradient(case, coupled):
    """The penalty's gradient in D's parameters against differences of a penalty in numpy."""
    x = point(case, REAL, FAKE, KEY)

    def brute_force(theta):  # a BatchNorm sees reals and fakes apart
        batches = np.split(x, len(x) // B)
        sums = [jacobian(theta, batch, coupled).sum(-1).reshape(B, -1) for batch in batches]
        return expected(case, np.linalg.norm(np.concatenate(sums), axis=1))

    def of_weights(theta):
        return penalty(case, lambda x: mlp(theta, x, jnp, coupled), REAL, FAKE, KEY)

    value, grads = jax.jit(jax.value_and_grad(of_weights))(THETA)
    np.testing.assert_allclose(value, brute_force(THETA), rtol=1e-9)
    h = 1e-5
    slopes = [
        (brute_force(THETA + step) - brute_force(THETA - step)) / (2 * h)
        for step in h * np.eye(len(THETA))
    ]
    assert np.abs(slopes).max() > 0.1
    np.testing.assert_allclose(grads, slopes, atol=1e-6 * np.abs(slopes).max())


@pytest.mark.parametrize("norm", ["l2", "rms"])
def test_slope_holds_cross_sample_terms(norm):
    """With BatchNorm in D: the gradient of the summed logit, not of each sample's own."""
    full, size = jacobian(THETA, REAL, True), np.sqrt(D) if norm == "rms" else 1
    summed = np.linalg.norm(full.sum(-1).reshape(B, -1), axis=1) / size
    own = np.linalg.norm(np.stack([full[i, ..., i].ravel() for i in range(B)]), axis=1) / size
    assert np.abs(summed / own - 1).max() > 0.1
    slope = jax.jit(lambda x: penalties.slope(lambda x: mlp(THETA, x, jnp, True), x, norm))(REAL)
    np.testing.assert_allclose(slope, summed, rtol=1e-9)


def test_which_penalties_fakes_influence():
    score = lambda x: mlp(THETA, x, jnp, False)
    influenced = {
        case
        for case in SETTINGS
        if penalty(case, score, REAL, FAKE, KEY) != penalty(case, score, REAL, 0 * REAL, KEY)
    }
    assert influenced == {"wgan_gp_l2", "wgan_gp_rms", "r2", "r1r2"}


@pytest.mark.parametrize("name", penalties.PENALTIES)
def test_settings_of_the_penalty(name):
    """R1 and R2 have the norm l2 whatever the settings say; "gauss" takes its sd from them."""
    score, x, fake = lambda x: mlp(THETA, x, jnp, False), jnp.asarray(REAL), jnp.asarray(FAKE)
    gauss = {"perturbation": "gauss", "perturbation_sd": 0.3}
    hp = dataclasses.replace(BaseSettings(), penalty=name, penalty_norm="rms", **gauss)
    value = penalties.penalty(CTX._replace(hp=hp), score, x, fake, KEY)
    near = penalties.perturb(CTX, x, KEY, "gauss", 0.3)
    values = {
        "none": 0,
        "wgan_gp": penalty("wgan_gp_rms", score, x, fake, KEY),
        "dragan": ((penalties.slope(score, near, "rms") - 1) ** 2).mean(),
        "r1": penalty("r1", score, x, fake, KEY),
        "r2": penalty("r1", score, fake, x, KEY),
        "r1r2": penalty("r1", score, x, fake, KEY) + penalty("r1", score, fake, x, KEY),
    }
    assert value == values[name]


@pytest.mark.parametrize("field", ["penalty", "penalty_norm", "perturbation"])
def test_unknown_names_are_refused(field):
    hp = dataclasses.replace(BaseSettings(), **{"penalty": "dragan", field: "other"})
    score = lambda x: mlp(THETA, x, jnp, False)
    with pytest.raises(ValueError, match=r"'other' is not known; use \w+, .* or \w+\."):
        penalties.penalty(CTX._replace(hp=hp), score, jnp.asarray(REAL), jnp.asarray(FAKE), KEY)


MANY = batch(4, (200, 8, 8, 3))


def shift(form, x=MANY, sd=0.0, key=KEY):
    return np.asarray(penalties.perturb(CTX, jnp.asarray(x), key, form, sd)) - x


def test_perturb_code():
    """Brightens by 0 to half S, one factor per sample; S is the population sd of all entries."""
    s = MANY.std()
    assert (
        abs(s / np.mean(MANY.std(axis=(1, 2, 3))) - 1) > 0.05
    )  # it would show if S were taken per sample
    d = shift("code")
    assert d.min() >= 0 and 0.48 * s < d.max() <= 0.5 * s
    u = np.asarray(jax.random.uniform(jax.random.split(KEY)[0], MANY.shape))
    alpha = d / (0.5 * s * u)
    assert np.ptp(alpha, axis=(1, 2, 3)).max() < 1e-6
    per_sample = alpha[:, 0, 0, 0]
    assert (
        per_sample.min() < 0.05 and per_sample.max() > 0.95 and abs(per_sample.mean() - 0.5) < 0.08
    )
    assert (
        abs(np.corrcoef(per_sample, u[:, 0, 0, 0])[0, 1]) < 0.25
    )  # not the pixels' own numbers again


@pytest.mark.parametrize("sd", [0.0, 0.2])
def test_perturb_gauss(sd):
    d = shift("gauss", sd=sd) / (sd or 0.5 * MANY.std())
    assert abs(d.std() - 1) < 0.02 and abs(d.mean()) < 0.02
    np.testing.assert_allclose(np.quantile(d, [0.0228, 0.9772]), [-2, 2], atol=0.06)


def test_perturb_centered():
    d = shift("centered") / MANY.std()
    assert -0.5 <= d.min() < -0.499 and 0.499 < d.max() <= 0.5 and abs(d.mean()) < 0.01
    assert abs(d.std() - 1 / np.sqrt(12)) < 0.01


def test_perturb_refuses_an_unknown_form():
    with pytest.raises(
        ValueError, match="perturbation 'uniform' is not known; use code, gauss or centered"
    ):
        shift("uniform", REAL)


@pytest.mark.parametrize("form", ["code", "gauss", "centered"])
def test_perturb_follows_the_pixel_range(form):
    """[0, 1] -> [-1, 1] doubles S and so the shift."""
    np.testing.assert_allclose(shift(form, 2 * REAL - 1), 2 * shift(form, REAL), rtol=1e-9)


@pytest.mark.parametrize("case", ["wgan_gp_l2", "dragan_code", "dragan_gauss", "r1", "r1r2"])
def test_four_devices_equal_one(case):
    """Same random numbers, S of the global batch, mean over the global batch."""
    score = lambda x: mlp(THETA, x, jnp, False)
    parts = [jnp.asarray(a).reshape(4, 1, *SHAPE[1:]) for a in (REAL, FAKE)]
    on_device = lambda x, fake: penalty(case, score, x, fake, KEY, parallel.AXIS)
    values = jax.jit(jax.vmap(on_device, axis_name=parallel.AXIS))(*parts)
    alone = penalty(case, score, REAL, FAKE, KEY)
    np.testing.assert_allclose(values, np.full(4, alone), rtol=1e-12)
