"""Penalties against closed forms and brute force, in float64; second derivatives against central differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import parallel, penalties
from gan_jax.core.method import StepContext
from gan_jax.methods.settings import BaseSettings

ENV = StepContext({}, None, {})
KEY = jax.random.key(11)
SHAPE = (4, 2, 3, 1)
B, D = SHAPE[0], 6


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def batch(seed, shape=SHAPE):
    """Images in [0, 1], of a different brightness each."""
    r = np.random.default_rng(seed)
    return r.random(shape) * np.linspace(0.3, 1, shape[0]).reshape(-1, 1, 1, 1)


REAL, FAKE = batch(0), batch(1)
CASES = {  # every penalty: (score, real, fake, key) -> scalar
    "wgan_gp_l2": lambda score, x, f, key: penalties.wgan_gp(ENV, score, x, f, key),
    "wgan_gp_rms": lambda score, x, f, key: penalties.wgan_gp(ENV, score, x, f, key, "rms"),
    "dragan_code": lambda score, x, f, key: penalties.dragan(ENV, score, x, key),
    "dragan_rms": lambda score, x, f, key: penalties.dragan(ENV, score, x, key, "rms"),
    "dragan_gauss": lambda score, x, f, key: penalties.dragan(ENV, score, x, key, "l2", "gauss"),
    "dragan_centered": lambda score, x, f, key: penalties.dragan(
        ENV, score, x, key, "l2", "centered"
    ),
    "r1": lambda score, x, f, key: penalties.r1(ENV, score, x),
}


def point(case, x, fake, key):
    """Where a case measures the slope, in numpy."""
    if case == "r1":
        return x
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
    """The penalty from l2 slopes [B]."""
    if case == "r1":
        return 0.5 * np.mean(slopes**2)
    return np.mean((slopes / (np.sqrt(D) if case.endswith("rms") else 1) - 1) ** 2)


@pytest.mark.parametrize("case", CASES)
def test_linear(case):
    """D(x) = w.x: (|w| - 1)^2, (|w| / sqrt(d) - 1)^2, |w|^2 / 2, whatever the batch."""
    w = np.array([0.5, -2.0, 0.1, 1.0, 3.0, -0.7])
    score = lambda x: x.reshape(len(x), -1) @ w
    value = expected(case, np.full(1, np.sqrt(np.sum(w**2))))
    for x, fake, key in [(REAL, FAKE, KEY), (10 * FAKE, REAL, jax.random.key(1))]:
        np.testing.assert_allclose(
            CASES[case](score, jnp.asarray(x), jnp.asarray(fake), key), value, rtol=1e-10
        )


@pytest.mark.parametrize("case", CASES)
def test_quadratic(case):
    """D(x) = x'Ax / 2 has slope |Ax|, different for each sample and sensitive to where it is measured."""
    a = np.random.default_rng(2).normal(size=(D, D))
    a = a + a.T
    score = lambda x: (
        0.5 * jnp.einsum("bi,ij,bj->b", *[x.reshape(len(x), -1), a, x.reshape(len(x), -1)])
    )
    slopes = np.linalg.norm(point(case, REAL, FAKE, KEY).reshape(B, -1) @ a, axis=1)
    assert slopes.std() > 0.2
    value = CASES[case](score, jnp.asarray(REAL), jnp.asarray(FAKE), KEY)
    np.testing.assert_allclose(value, expected(case, slopes), rtol=1e-10)


@pytest.mark.parametrize("case", ["wgan_gp_l2", "wgan_gp_rms", "dragan_code", "r1"])
def test_finite_where_d_is_constant(case):
    """In float32, as trained: D = 0 has penalty 1 (R1: 0) and, through the square root, a finite gradient."""
    with jax.enable_x64(False):
        zero = {"w": jnp.zeros((D, 5)), "v": jnp.zeros(5)}
        score = lambda p: lambda x: jnp.tanh(x.reshape(len(x), -1) @ p["w"]) @ p["v"]
        x, fake = jnp.float32(REAL), jnp.float32(FAKE)
        value, grads = jax.jit(jax.value_and_grad(lambda p: CASES[case](score(p), x, fake, KEY)))(
            zero
        )
    np.testing.assert_allclose(value, 0 if case == "r1" else 1, atol=1e-5)
    assert all(np.isfinite(g).all() for g in grads.values())


HIDDEN = 3
THETA = np.random.default_rng(3).normal(size=D * HIDDEN + 2 * HIDDEN)


def mlp(theta, x, xp, coupled):
    """Two-layer D with its parameters in one vector; coupled: with BatchNorm in front of the tanh. xp: numpy or jnp."""
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


@pytest.mark.parametrize("coupled", [False, True], ids=["mlp", "batch_norm"])
@pytest.mark.parametrize("case", ["wgan_gp_l2", "wgan_gp_rms", "dragan_code", "r1"])
def test_value_and_second_order_gradient(case, coupled):
    """What D trains on: the penalty's gradient in D's parameters, against differences of a penalty in numpy."""
    x = point(case, REAL, FAKE, KEY)

    def brute_force(theta):
        return expected(
            case, np.linalg.norm(jacobian(theta, x, coupled).sum(-1).reshape(B, -1), axis=1)
        )

    def penalty(theta):
        return CASES[case](
            lambda x: mlp(theta, x, jnp, coupled), jnp.asarray(REAL), jnp.asarray(FAKE), KEY
        )

    value, grads = jax.jit(jax.value_and_grad(penalty))(THETA)
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


def test_fakes_influence_wgan_gp_alone():
    score = lambda x: mlp(THETA, x, jnp, False)
    x = jnp.asarray(REAL)
    influenced = {
        case
        for case, f in CASES.items()
        if f(score, x, jnp.asarray(FAKE), KEY) != f(score, x, x * 0, KEY)
    }
    assert influenced == {"wgan_gp_l2", "wgan_gp_rms"}


@pytest.mark.parametrize("name", ["none", "wgan_gp", "dragan", "r1"])
def test_settings_choose_the_penalty(name):
    hp = dataclasses.replace(
        BaseSettings(), penalty=name, penalty_norm="rms", perturbation="gauss", perturbation_sd=0.3
    )
    score, x, fake = lambda x: mlp(THETA, x, jnp, False), jnp.asarray(REAL), jnp.asarray(FAKE)
    value = penalties.penalty(ENV._replace(hp=hp), score, x, fake, KEY)
    assert (
        value
        == {
            "none": 0,
            "wgan_gp": penalties.wgan_gp(ENV, score, x, fake, KEY, "rms"),
            "dragan": penalties.dragan(ENV, score, x, KEY, "rms", "gauss", 0.3),
            "r1": penalties.r1(ENV, score, x),
        }[name]
    )


MANY = batch(4, (200, 8, 8, 3))


def shift(form, x=MANY, sd=0.0, key=KEY):
    return np.asarray(penalties.perturb(ENV, jnp.asarray(x), key, form, sd)) - x


def test_perturb_code():
    """Brightens by 0 to half S, with one factor per sample; S is the population sd of all entries."""
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


@pytest.mark.parametrize("case", ["wgan_gp_l2", "dragan_code", "dragan_gauss", "r1"])
def test_four_devices_equal_one(case):
    """Same random numbers, S of the global batch, mean over the global batch."""
    ctx = StepContext({}, None, {}, axis=parallel.AXIS)
    score = lambda x: mlp(THETA, x, jnp, False)
    on_device = {
        "wgan_gp_l2": lambda x, f: penalties.wgan_gp(ctx, score, x, f, KEY),
        "dragan_code": lambda x, f: penalties.dragan(ctx, score, x, KEY),
        "dragan_gauss": lambda x, f: penalties.dragan(ctx, score, x, KEY, "l2", "gauss"),
        "r1": lambda x, f: penalties.r1(ctx, score, x),
    }[case]
    parts = [jnp.asarray(a).reshape(4, 1, *SHAPE[1:]) for a in (REAL, FAKE)]
    values = jax.jit(jax.vmap(on_device, axis_name=parallel.AXIS))(*parts)
    alone = CASES[case](score, jnp.asarray(REAL), jnp.asarray(FAKE), KEY)
    np.testing.assert_allclose(values, np.full(4, alone), rtol=1e-12)
