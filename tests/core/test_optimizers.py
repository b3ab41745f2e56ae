"""Learning rates in closed form, and runs of updates against loops in numpy."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.benchmarks.jax_programs import Training
from experiments.benchmarks.workloads import Workload
from gan_jax import errors, settings
from gan_jax.core import optimizers

STEPS = 40
START = {"w": np.float32([[1.0, -2.0], [0.5, 3.0]]), "b": np.float32([0.1, -0.3])}


def make(**options):
    hp = dataclasses.replace(optimizers.OptimizerSettings(), **options)
    settings.check(hp)
    return hp


def gradients(n, seed=0):
    r = np.random.default_rng(seed)
    return [
        {name: r.normal(size=value.shape).astype(np.float32) for name, value in START.items()}
        for _ in range(n)
    ]


def updates(tx, grads):
    """What an optimizer makes of a row of gradients, compiled, with parameters that follow."""

    @jax.jit
    def step(params, state, g):
        change, state = tx.update(g, state, params)
        return change, optax.apply_updates(params, change), state

    params, state, out = jax.tree.map(jnp.asarray, START), tx.init(START), []
    for g in grads:
        change, params, state = step(params, state, g)
        out.append(change)
    return out


def same(found, expected, rtol=1e-5):
    for a, b in zip(found, expected, strict=True):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-9), a, b)


def rates(n, role="gen", steps=STEPS, **options):
    """Learning rates of n updates: those of plain gradient descent with a gradient of -1."""
    tx = optimizers.build(make(optimizer="sgd", momentum=0.0, **options), role, steps)
    return [
        float(change["b"][0])
        for change in updates(tx, [jax.tree.map(lambda p: -np.ones_like(p), START)] * n)
    ]


def test_adam_with_a_constant_rate_is_optax_adam():
    tx, plain = (
        optimizers.build(make(lr=3e-3, beta1=0.3, beta2=0.9), "gen", STEPS),
        optax.adam(3e-3, 0.3, 0.9),
    )
    state, expected = tx.init(START), plain.init(START)
    assert jax.tree.structure(state) == jax.tree.structure(expected) and int(state[0].count) == 0
    for a, b in zip(updates(tx, gradients(5)), updates(plain, gradients(5)), strict=True):
        jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.long
def test_a_training_program_copies_no_mean_of_adam(monkeypatch):
    """As that of optax.adam does, all of them, on a CPU."""
    monkeypatch.setenv("GAN_CONV", "cpu")
    workload = Workload("gan", {"net": "mlp", "width": 32, "depth": 2}, 8, 3, 4)
    program = Training(workload).compiled.as_text()
    assert "carry_0__opt_state__gen___0__mu__gen" in program and not re.findall(
        r"copy\(%carry_0__opt_state\S*", program
    )


def test_adam_under_a_schedule_keeps_its_moments():
    """Only the length of the step changes, by the factor of the schedule."""
    scheduled = updates(optimizers.build(make(schedule="linear"), "gen", STEPS), gradients(10))
    constant = updates(optimizers.build(make(), "gen", STEPS), gradients(10))
    same(
        scheduled,
        [jax.tree.map(lambda u, t=t: u * (1 - t / STEPS), u) for t, u in enumerate(constant)],
    )
    assert int(optimizers.build(make(schedule="linear"), "gen", STEPS).init(START)[0].count) == 0


SHAPES = {
    "constant": lambda t: np.ones_like(t),
    "linear": lambda t: np.maximum(1 - t / STEPS, 0),
    "half_linear": lambda t: np.where(t <= STEPS / 2, 1, np.maximum(2 - 2 * t / STEPS, 0)),
    "cosine": lambda t: np.cos(np.pi / 2 * np.minimum(t, STEPS) / STEPS) ** 2,
    "exponential": lambda t: 1.25**-t,
    "staircase": lambda t: 0.9 ** np.floor(t / 6),
}


@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
def test_learning_rate_after_n_updates(schedule):
    """Up to the end and three updates beyond it."""
    t = np.arange(STEPS + 4, dtype=float)
    found = rates(len(t), lr=0.02, schedule=schedule, lr_decay=1.25, lr_every=6)
    np.testing.assert_allclose(found, 0.02 * SHAPES[schedule](t), rtol=2e-5, atol=1e-9)


def test_schedules_in_the_sources():
    """Dist-GAN's ResNets at four times; its toy after 136 decays; Goodfellow's 50,000 updates."""
    rate = lambda t, **options: float(
        optimizers.learning_rate(make(**options), "gen", 1000)(jnp.int32(t))
    )
    for t, factor in ((0, 0.5), (500, 0.5), (750, 0.25), (1000, 0)):
        np.testing.assert_allclose(
            rate(t, schedule="half_linear", lr=1e-4), 2e-4 * factor, atol=1e-12
        )
    np.testing.assert_allclose(
        rate(195_500, schedule="staircase", lr=1.0, lr_every=1429), 0.9**136, rtol=1e-5
    )
    np.testing.assert_allclose(
        rate(50_000, schedule="exponential", lr=0.1), 0.1 / 1.000004**50_000, rtol=1e-4
    )
    assert rate(10_000_000, schedule="exponential", lr=0.1) == np.float32(1e-6)
    np.testing.assert_allclose(
        rate(10_000_000, schedule="exponential", lr=1e-8), 1e-8
    )  # never above the given one


def test_two_time_scales():
    assert rates(1, "disc", lr=0.01, lr_disc=0.04) == [pytest.approx(0.04)]
    assert (
        rates(1, "gen", lr=0.01, lr_disc=0.04) == rates(1, "disc", lr=0.01) == [pytest.approx(0.01)]
    )
    np.testing.assert_allclose(
        rates(STEPS, "disc", lr=0.01, lr_disc=0.04, schedule="cosine"),
        0.04 * SHAPES["cosine"](np.arange(STEPS)),
        rtol=2e-5,
    )


@pytest.mark.parametrize("end", [0.0, 0.9], ids=["constant", "rising"])
@pytest.mark.parametrize("schedule", ["constant", "exponential"])
def test_sgd_with_momentum(end, schedule):
    """The velocity holds past steps as they were taken, at the rates of their time."""
    hp = make(
        optimizer="sgd",
        lr=0.1,
        momentum=0.5,
        momentum_end=end,
        momentum_steps=8,
        schedule=schedule,
        lr_decay=1.5,
    )
    grads, velocity, expected = (
        gradients(15),
        {name: np.zeros_like(value, float) for name, value in START.items()},
        [],
    )
    for t, g in enumerate(grads):
        m = 0.5 + 0.4 * min(t / 8, 1) if end else 0.5
        lr = 0.1 / 1.5**t if schedule == "exponential" else 0.1
        velocity = {name: m * velocity[name] - lr * g[name] for name in g}
        expected.append(velocity)
    same(updates(optimizers.build(hp, "gen", STEPS), grads), expected, rtol=1e-4)


def test_sgd_with_constant_momentum_and_rate_is_optax_sgd():
    tx = optimizers.build(make(optimizer="sgd", lr=0.1, momentum=0.7), "gen", STEPS)
    same(updates(tx, gradients(8)), updates(optax.sgd(0.1, momentum=0.7), gradients(8)))


def test_momentum_may_fall():
    m = optimizers.momentum_schedule(make(momentum=0.9, momentum_end=0.5, momentum_steps=4))
    np.testing.assert_allclose(
        [m(t) for t in range(7)], [0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5], rtol=1e-6
    )


def test_rmsprop():
    square, expected = {name: 0.0 for name in START}, []
    for g in gradients(10):
        square = {name: 0.9 * square[name] + 0.1 * g[name].astype(float) ** 2 for name in g}
        expected.append({name: -1e-3 * g[name] / (np.sqrt(square[name]) + 1e-8) for name in g})
    tx = optimizers.build(make(optimizer="rmsprop", lr=1e-3, beta2=0.9), "gen", STEPS)
    same(updates(tx, gradients(10)), expected, rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", optimizers.SCHEDULES)
def test_every_pair_descends(optimizer, schedule):
    hp = make(optimizer=optimizer, schedule=schedule, lr=0.01)
    tx, params = optimizers.build(hp, "gen", 200), jnp.float32([1.0, -2.0])
    state = tx.init(params)
    step = jax.jit(lambda p, s: tx.update(jax.grad(lambda p: 0.5 * jnp.sum(p**2))(p), s, p))
    for _ in range(100):
        change, state = step(params, state)
        params = optax.apply_updates(params, change)
    assert 0.5 * float(jnp.sum(params**2)) < 1.6


@pytest.mark.parametrize("field, value", [("optimizer", "lion"), ("schedule", "warm")])
def test_unknown_names_are_refused(field, value):
    hp = dataclasses.replace(optimizers.OptimizerSettings(), **{field: value})
    with pytest.raises(ValueError, match=f"{field} '{value}' is not known; use"):
        optimizers.build(hp, "gen", STEPS)
    with pytest.raises(errors.InputError, match=f"--{field}={value} is not known; use one of"):
        settings.check(hp)
