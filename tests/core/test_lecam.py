"""LeCam's and CR-GAN's terms against numpy: averages over steps, start, devices, resumption."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import consistency, lecam, parallel
from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.method import StepContext
from gan_jax.core.state import Vars
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.methods import base, colorize, gan
from gan_jax.rundir import checkpoint, host_state
from tests.reference import mlp

KEY = jax.random.key(6)
REAL, FAKE = np.random.default_rng(1).normal(size=(2, 8))


def context(step, real=0.4, fake=-0.3, axis=None):
    averages = {"lecam_real": jnp.float32(real), "lecam_fake": jnp.float32(fake)}
    return StepContext({}, None, averages, step=jnp.int32(step), axis=axis)


def test_term(float64):
    at = [lecam.START - 1, lecam.START, 10 * lecam.START]
    found = [lecam.term(context(t), jnp.asarray(REAL), jnp.asarray(FAKE)) for t in at]
    real, fake = np.float32(0.4), np.float32(-0.3)
    on_reals = np.mean(np.maximum(0, REAL - fake) ** 2)
    on_fakes = np.mean(np.maximum(0, real - FAKE) ** 2)
    np.testing.assert_allclose(found, [0, on_reals + on_fakes, on_reals + on_fakes], rtol=1e-9)


def test_term_pulls_each_kind_to_the_average_of_the_other():
    f = lambda r, k: lecam.term(context(5000), r, k)
    on_reals, on_fakes = jax.grad(f, (0, 1))(jnp.float32([2.0, -2.0]), jnp.float32([2.0, -2.0]))
    np.testing.assert_allclose(on_reals, [2.3, 0.0], rtol=1e-6)
    np.testing.assert_allclose(on_fakes, [0.0, -2.4], rtol=1e-6)


def test_term_over_devices(float64):
    parts = [jnp.asarray(a).reshape(4, 2) for a in (REAL, FAKE)]
    ctx = context(5000, axis=parallel.AXIS)
    spread = jax.vmap(lambda r, f: lecam.term(ctx, r, f), axis_name=parallel.AXIS)(*parts)
    alone = lecam.term(context(5000), jnp.asarray(REAL), jnp.asarray(FAKE))
    np.testing.assert_allclose(spread, np.full(4, alone), rtol=1e-12)


def test_a_method_with_a_loss_of_its_own_is_refused():
    with pytest.raises(InputError, match="--lecam=0"):
        control = lecam.control()
        control.update(dict(control.initial), {"disc/ran": 1.0}, context(1))


def test_averages():
    """The last step's until START, then by 0.99; a step that D missed changes nothing."""
    control, r = lecam.control(), np.random.default_rng(2)
    values, expected = dict(control.initial), np.zeros(2)
    for t in range(lecam.START - 3, lecam.START + 40):
        now, ran = r.normal(size=2), float(t != lecam.START + 7)
        logits = dict(zip(("disc/real_logit", "disc/fake_logit"), now * ran, strict=True))
        values = control.update(values, {**logits, "disc/ran": ran}, context(t))
        decay = 0.99 if t >= lecam.START else 0.0
        expected = decay * expected + (1 - decay) * now if ran else expected
    found = [values["lecam_real"], values["lecam_fake"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
def test_a_run_on_two_devices_and_a_resumed_one_are_one_run(tmp_path, monkeypatch):
    """Averages and all; with packs, and a start that comes before the end."""
    monkeypatch.setattr(lecam, "START", 1)
    options = {"pack": 2, "lecam": 0.3, "consistency": 1.0, "loss": "hinge", "optimizer": "sgd"}
    hp = gan.Settings(net="mlp", width=4, depth=1, z_dim=3, lr=0.1, **options)
    spec = base.DataSpec(8, 1)
    gan.check(hp, spec)
    method = gan.build(hp, spec, 5)
    images = np.random.default_rng(5).random((3, 2, 8, 8, 8, 1), np.float32)
    batches = [{"image": image} for image in images]
    step, states = jax.jit(build_step(method)), [init_jitted(method, 5)]
    for batch in batches:
        state, metrics = step(states[-1], batch)
        states.append(state)
    assert float(metrics["disc/lecam"]) > 0 and float(metrics["disc/consistency"]) > 0
    averages = {name: float(value) for name, value in states[-1].controls.items()}
    assert set(averages) == {"lecam_real", "lecam_fake"} and 0.0 not in averages.values()
    devices = jax.devices()[:2]
    spread = parallel.pmapped(build_step(method, parallel.AXIS), devices)
    state = jax.tree.map(jnp.copy, jax.device_put(states[0], parallel.replicated(devices)))
    for batch in batches:
        state, _ = spread(state, jax.device_put(batch, parallel.split(devices, 1)))
    for name, value in averages.items():
        np.testing.assert_allclose(float(state.controls[name]), value, rtol=1e-4, atol=1e-6)
    tally = {"sums": np.zeros(2, np.float32)}
    with checkpoint.Store(tmp_path) as store:
        store.save(2, states[2], tally)
    with checkpoint.Store(tmp_path) as store:
        _, state, _ = store.load_newest(state_shapes(method), tally)
    state, _ = step(state, batches[2])
    ends = [host_state.digest(host_state.to_host(s)) for s in (state, states[-1])]
    assert ends[0] == ends[1]


def test_change_flips_and_moves():
    """Each image by itself, with gray where nothing is, to the same on four devices."""
    x = np.random.default_rng(3).random((40, 8, 8, 1)) + 1.0
    ctx = StepContext({}, None, {})
    found = np.asarray(consistency.change(ctx, KEY, jnp.float32(x), "tanh"))
    kinds = set()
    for image, changed in zip(np.float32(x), found, strict=True):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        mirrored = padded[:, ::-1]
        options = {
            (flip, i, j): source[i : i + 8, j : j + 8]
            for flip, source in enumerate((padded, mirrored))
            for i in range(3)
            for j in range(3)
        }
        kinds |= {kind for kind, option in options.items() if np.array_equal(option, changed)}
    assert len(kinds) > 10 and {kind[0] for kind in kinds} == {0, 1}
    spread = jax.vmap(
        lambda x: consistency.change(ctx._replace(axis=parallel.AXIS), KEY, x, "tanh"),
        axis_name=parallel.AXIS,
    )(jnp.float32(x).reshape(4, 10, 8, 8, 1))
    np.testing.assert_array_equal(np.asarray(spread).reshape(found.shape), found)


def test_consistency_enters_ds_loss(float64):
    """The weight times the mean squared difference of logits, on reals alone."""
    p, x = mlp.params(), np.random.default_rng(4).random((6, *mlp.IMAGE))

    def run(**options):
        hp = dataclasses.replace(gan.Settings(), z_dim=3, **options)
        ctx, vs = StepContext(mlp.NETS, hp, {}), Vars(p, {net: {} for net in p})
        value, (_, metrics) = gan.disc_loss(ctx, vs, {"image": jnp.asarray(x)}, KEY)
        return float(value), metrics

    plain, metrics = run()
    value, with_it = run(consistency=10.0)
    assert "consistency" not in metrics
    key = jax.random.fold_in(jax.random.split(KEY, 4)[1], 6)
    changed = np.asarray(consistency.change(StepContext({}, None, {}), key, jnp.asarray(x), "tanh"))
    expected = np.mean((mlp.logit(p, x) - mlp.logit(p, changed)) ** 2)
    assert expected > 0
    np.testing.assert_allclose(with_it["consistency"], expected, rtol=1e-9)
    np.testing.assert_allclose(value - plain, 10 * expected, rtol=1e-9)


def test_refusals():
    with pytest.raises(InputError, match="data are points; use --consistency=0"):
        gan.check(gan.Settings(net="mlp", pixels="linear", consistency=1.0), base.DataSpec(1, 2))
    with pytest.raises(InputError, match="at their places; use --consistency=0"):
        colorize.check(colorize.Settings(consistency=1.0), base.DataSpec(16, 3))
