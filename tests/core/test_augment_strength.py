"""How often D's images are augmented: schedules, and ADA's controller against a plain loop."""

import dataclasses
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import errors, methods
from gan_jax.core import augment_strength, diffaugment, parallel
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import StepContext, n_minibatches
from gan_jax.core.step import build_step
from gan_jax.methods import base, discriminator
from gan_jax.rundir import checkpoint
from tests import methods_small

ADA = {"augment": "flip", "augment_target": 0.6}
SPEC = base.DataSpec(16, 1)


def settings(method="gan", **changes):
    return dataclasses.replace(methods.TABLE[method].Settings(), **changes)


def loop(hp, rows, batch):
    """The probabilities after each row (ran, mean sign of the reals of all D's updates)."""
    p, signs, n, out = 0.0, [], 0, []
    for ran, sign in rows:
        if ran:
            signs += [sign] * hp.n_disc
            n += hp.n_disc
        if n >= 4:
            r = sum(signs) / n
            step = n * batch / hp.augment_images
            p += step if r > hp.augment_target else -step if r < hp.augment_target else 0
            p, signs, n = min(max(p, 0.0), 0.8, hp.augment_p), [], 0
        out.append(p)
    return out


@pytest.mark.parametrize("n_disc", [1, 3, 5])
@pytest.mark.parametrize("largest", [1.0, 0.3])
def test_the_controller_is_a_plain_loop(n_disc, largest):
    """Rises, falls, both bounds, and steps in which D had no turn."""
    hp = settings(**ADA, n_disc=n_disc, augment_images=300, augment_p=largest)
    rng = np.random.default_rng(n_disc)
    mean = np.repeat([0.9, 0.2, 1.0], 40)
    rows = [(int(rng.random() < 0.8), float(np.clip(m + rng.normal() / 4, -1, 1))) for m in mean]
    control = augment_strength.control(hp)
    assert control
    ctx = StepContext({}, hp, {}, minibatch=8)
    update = jax.jit(lambda c, ran, sign: control.update(c, {"disc/ran": ran, **sign}, ctx))
    controls = {name: jnp.float32(value) for name, value in control.initial.items()}
    ps = []
    for ran, sign in rows:
        controls = update(
            controls, jnp.float32(ran), {"disc/real_sign": jnp.float32(sign if ran else 0)}
        )
        ps.append(float(controls["augment_p"]))
    expected = loop(hp, rows, 8)
    np.testing.assert_allclose(ps, expected, atol=1e-5)
    assert max(expected) == pytest.approx(min(0.8, largest)) and expected[0] == 0


@pytest.fixture(scope="module")
def adaptive():
    """A trained method whose probability moves at once, its states and metrics."""
    quick = {**methods_small.CASES["gan_ada"][1], "augment": "flip:always,cutout"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(methods_small.CASES, "quick", ("gan", quick))
        method = methods_small.build("quick")
    step = jax.jit(build_step(method))
    states, logged = [init_jitted(method, 0)], []
    for t in range(5):
        state, metrics = step(states[-1], methods_small.batch(n_minibatches(method), 8, seed=t))
        states.append(state)
        logged.append(metrics)
    return method, step, states, logged


def test_a_step_moves_the_probability_by_what_d_says(adaptive):
    method, _, states, logged = adaptive
    rows = [(float(m["disc/ran"]), float(m["disc/real_sign"])) for m in logged]
    ps = [float(s.controls["augment_p"]) for s in states]
    np.testing.assert_allclose(ps, [0, *loop(method.hp, rows, 8)], atol=1e-6)
    np.testing.assert_allclose([m["disc/augment_p"] for m in logged], ps[:-1], rtol=1e-6)
    assert max(ps) > 0.1


def test_the_probability_survives_a_checkpoint(adaptive, tmp_path):
    method, step, states, _ = adaptive
    kept = next(i for i, s in enumerate(states) if s.controls["augment_p"] > 0 and i < 5)
    tally = {"steps": np.float32(kept)}
    with checkpoint.Store(tmp_path) as store:
        store.save(kept, states[kept], tally)
    with checkpoint.Store(tmp_path) as store:
        _, state, _ = store.load_newest(states[0], tally)
    for t in range(kept, 5):
        state, _ = step(state, methods_small.batch(n_minibatches(method), 8, seed=t))
    jax.tree.map(np.testing.assert_array_equal, state.controls, states[-1].controls)
    jax.tree.map(np.testing.assert_array_equal, state.params, states[-1].params)


@pytest.mark.slow
def test_devices_agree_on_the_probability(adaptive):
    method, _, states, _ = adaptive
    devices = jax.devices()[:2]
    step = parallel.pmapped(build_step(method, parallel.AXIS), devices)
    state = jax.tree.map(jnp.copy, jax.device_put(states[0], parallel.replicated(devices)))
    for t in range(2):
        batch = methods_small.batch(n_minibatches(method), 8, seed=t)
        state, _ = step(state, jax.device_put(batch, parallel.split(devices, 1)))
    for name, value in states[2].controls.items():
        np.testing.assert_allclose(state.controls[name], value, rtol=1e-6)


def context(images=0.0, **changes):
    return StepContext({}, settings(**changes), {"augment_p": jnp.float32(0.4)}, images=images)


def test_a_constant_is_known_before_anything_runs():
    assert augment_strength.probability(context(augment="flip")) == 1.0
    assert augment_strength.probability(context(augment="flip", augment_p=0.3)) == 0.3
    assert augment_strength.metrics(context(augment="flip", augment_p=0.3), jnp.ones(2)) == {}


@pytest.mark.parametrize("images, share", [(0, 0), (250, 0.25), (500, 0.5), (1000, 1), (5000, 1)])
def test_a_schedule_moves_by_a_cosine(images, share):
    ctx = context(images, augment="flip", augment_p=0.1, augment_p_end=0.7, warmup_images=1000)
    expected = 0.1 + 0.6 * (1 - math.cos(math.pi * share)) / 2
    np.testing.assert_allclose(augment_strength.probability(ctx), expected, rtol=1e-6)
    (logged,) = augment_strength.metrics(ctx, jnp.ones(2)).values()
    np.testing.assert_allclose(logged, expected, rtol=1e-6)


def test_images_for_d_are_augmented_with_the_probability_of_now():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(400, 8, 8, 1)), jnp.float32)
    ctx, key = context(**ADA), jax.random.key(1)
    out = discriminator.augmented(ctx, key, x)
    changed = np.asarray(out != x).any((1, 2, 3)).mean()
    assert abs(changed - 0.75 * 0.4) < 4 * math.sqrt(0.3 * 0.7 / 400)  # flips in two directions


@pytest.mark.parametrize("loss, zero", [("ns", 0.0), ("hinge", 0.0), ("ls", 0.5)])
def test_the_sign_is_relative_to_the_middle_of_ds_targets(loss, zero):
    logits = zero + jnp.array([[0.1, 2.0], [0.3, -0.1]])
    metrics = augment_strength.metrics(context(**ADA, loss=loss), logits)
    assert float(metrics["real_sign"]) == 0.5


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"augment_p": 0.5}, "--augment_p is a probability of --augment"),
        ({"augment_target": 0.6}, "--augment_target is a probability of --augment"),
        ({"augment": "flip", "augment_p": 0.0}, "changes no image"),
        ({**ADA, "augment_p_end": 0.5, "warmup_images": 9}, "and so does"),
        ({**ADA, "augment_p": 0.0}, "below --augment_p"),
        ({**ADA, "loss": "wasserstein", "spectral": "disc"}, "have no zero"),
        ({**ADA, "loss": "rp"}, "have no zero"),
        ({"augment": "flip", "augment_p_end": 0.5}, "--warmup_images"),
    ],
)
def test_what_contradicts_is_refused(changes, says):
    with pytest.raises(errors.InputError, match=says):
        methods.TABLE["gan"].check(settings(**changes), SPEC)


@pytest.mark.parametrize("method", ["gan", "acgan", "mgan", "infogan", "distgan"])
def test_every_method_has_the_control(method):
    module = methods.TABLE[method]
    spec = SPEC._replace(classes=("a", "b"), counts=(1, 1))
    built = module.build(settings(method, **ADA, width=4), spec, 10)
    assert set(built.controls) == {"augment_p", "augment_signs", "augment_minibatches"}
    assert module.build(settings(method, width=4), spec, 10).control is None


def test_plain_settings_know_nothing_of_it():
    """Settings of before: what there was without a probability is computed, operation for one."""
    hp = types.SimpleNamespace(augment="color,flip", augment_p=1.0, augment_p_end=0.0)
    ctx = StepContext({}, hp, {})
    hp.augment_target, hp.warmup_images, hp.pixels = 0.0, 0, "tanh"
    x, key = jnp.ones((2, 8, 8, 1)), jax.random.key(0)
    now = jax.make_jaxpr(lambda x: discriminator.augmented(ctx, key, x))(x)
    before = jax.make_jaxpr(
        lambda x: diffaugment.augment(ctx, jax.random.fold_in(key, 2), x, "color,flip", "tanh")
    )(x)
    assert str(now) == str(before)
