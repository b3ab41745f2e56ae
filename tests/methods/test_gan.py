"""The GAN's losses against numpy on nets of a few numbers, its turns, and D's input noise."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.core import losses
from gan_jax.core.initialize import init
from gan_jax.core.method import StepContext, n_minibatches
from gan_jax.core.state import Vars
from gan_jax.core.step import build_step
from gan_jax.methods import base, discriminator, gan
from gan_jax.nets.outputs import DiscOutput
from tests import methods_small, tiers
from tests.reference import mlp, ownership

B, KEY = 6, jax.random.key(7)
X = np.random.default_rng(1).random((B, *mlp.IMAGE))
P = mlp.params()


def run(f, p=P, x=X, **options):
    """(loss, metrics) of gan.disc_loss or gan.gen_loss on the tiny nets."""
    hp = dataclasses.replace(gan.Settings(), **{"z_dim": 3, **options})
    value, (_, metrics) = f(
        StepContext(mlp.NETS, hp, {}),
        Vars(p, {net: {} for net in p}),
        {"image": jnp.asarray(x)},
        KEY,
    )
    return float(value), {name: float(metric) for name, metric in metrics.items()}


def fakes(key):
    return mlp.gen(P, np.asarray(jax.random.uniform(key, (B, 3), minval=-1, maxval=1)))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def log_loss(real, fake):
    return -np.mean(np.log(sigmoid(real))) - np.mean(np.log(1 - sigmoid(fake)))


NUMPY = {  # D on reals and fakes, G on fakes
    "ns": (log_loss, lambda f: -np.mean(np.log(sigmoid(f)))),
    "saturating": (log_loss, lambda f: np.mean(np.log(1 - sigmoid(f)))),
    "ls": (
        lambda r, f: np.mean((r - 1) ** 2) / 2 + np.mean(f**2) / 2,
        lambda f: np.mean((f - 1) ** 2) / 2,
    ),
    "hinge": (
        lambda r, f: np.mean(np.maximum(0, 1 - r)) + np.mean(np.maximum(0, 1 + f)),
        lambda f: -np.mean(f),
    ),
    "wasserstein": (lambda r, f: np.mean(f) - np.mean(r), lambda f: -np.mean(f)),
}


@pytest.mark.long
@pytest.mark.parametrize("name", NUMPY)
def test_losses_equal_numpy(float64, name):
    assert set(NUMPY) | set(PAIRS) == set(losses.ADVERSARIAL)
    on_disc, on_gen = NUMPY[name]
    real, fake = mlp.logit(P, X), mlp.logit(P, fakes(jax.random.split(KEY, 4)[0]))
    value, metrics = run(gan.disc_loss, loss=name)
    np.testing.assert_allclose(value, on_disc(real, fake), rtol=1e-10)
    np.testing.assert_allclose(metrics["real_prob"], sigmoid(real).mean())
    np.testing.assert_allclose(metrics["fake_prob"], sigmoid(fake).mean())
    assert metrics["penalty"] == 0
    fake = mlp.logit(P, fakes(jax.random.split(KEY)[0]))
    np.testing.assert_allclose(run(gan.gen_loss, loss=name)[0], on_gen(fake), rtol=1e-10)


def relative(f):
    """The mean of f of pairs of logits (real, fake)."""
    return lambda r, k: np.mean(f(r - k))


def average(f):
    return lambda r, k: np.mean(f(r - k.mean())) + np.mean(f(r.mean() - k))


MARGINS = {
    "": lambda a: np.log1p(np.exp(-a)),
    "_ls": lambda a: (1 - a) ** 2,
    "_hinge": lambda a: np.maximum(0, 1 - a),
}
PAIRS = {f"rp{n}": relative(f) for n, f in MARGINS.items()} | {
    f"ra{n}": average(f) for n, f in MARGINS.items()
}


@pytest.mark.parametrize("name", PAIRS)
def test_losses_of_pairs_equal_numpy(float64, name):
    """G's loss reads the minibatch, whose i-th image is compared with the i-th generated one."""
    real, fake = mlp.logit(P, X), mlp.logit(P, fakes(jax.random.split(KEY, 4)[0]))
    value, metrics = run(gan.disc_loss, loss=name)
    np.testing.assert_allclose(value, PAIRS[name](real, fake), rtol=1e-10)
    np.testing.assert_allclose(metrics["real_prob"], sigmoid(real - fake.mean()).mean())
    np.testing.assert_allclose(metrics["fake_prob"], sigmoid(fake - real.mean()).mean())
    fake = mlp.logit(P, fakes(jax.random.split(KEY)[0]))
    np.testing.assert_allclose(run(gan.gen_loss, loss=name)[0], PAIRS[name](fake, real), rtol=1e-10)


@pytest.mark.parametrize("sign", ["plus", "minus"])
def test_penalty_enters_with_its_weight_and_sign(float64, sign):
    plain, _ = run(gan.disc_loss)
    value, metrics = run(gan.disc_loss, penalty="r1", lambda_p=3.0, penalty_sign=sign)
    np.testing.assert_allclose(metrics["penalty"], 0.5 * np.mean(mlp.slopes(P, X) ** 2), rtol=1e-10)
    np.testing.assert_allclose(
        value - plain, {"plus": 3, "minus": -3}[sign] * metrics["penalty"], rtol=1e-10
    )


def test_losses_where_d_knows_nothing(float64):
    """Logits 0: D 2 ln 2, G ln 2."""
    blind = {**mlp.params(), "disc": mlp.params(scale=0.0)["disc"]}
    np.testing.assert_allclose(run(gan.disc_loss, blind)[0], 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(run(gan.gen_loss, blind)[0], np.log(2), rtol=1e-6)


@pytest.mark.long
def test_n_disc():
    """D moves n_disc times per step and G once, each time with a minibatch and noise of its own."""
    hp = dataclasses.replace(gan.Settings(), z_dim=3, n_disc=3)
    method = gan.build(hp, base.DataSpec(8, 1), 10)
    assert n_minibatches(method) == 4
    dummies = {"gen": (jnp.zeros((2, 3)),), "disc": (jnp.zeros((2, *mlp.IMAGE)),)}
    method = method._replace(
        nets={net: mlp.NETS[net] for net in dummies},
        example_inputs=dummies,
        players=tuple(p._replace(tx=optax.adam(0.0)) for p in method.players),
    )
    state = jax.jit(lambda: init(method, jax.random.key(0)))()
    images = np.random.default_rng(2).random((4, B, *mlp.IMAGE), np.float32)
    end, metrics = jax.jit(build_step(method))(state, {"image": images})
    assert [int(end.opt_state[p][0].count) for p in ("disc", "gen")] == [3, 1]

    @jax.jit
    def alone(state, images):
        ctx, key = StepContext(method.nets, hp, {}), jax.random.fold_in(state.key, 0)
        return [
            f(ctx, state.vars(), {"image": images[r]}, jax.random.fold_in(key, r))[0]
            for r, f in enumerate([gan.disc_loss] * 3 + [gan.gen_loss])
        ]

    *turns, last = map(float, alone(state, images))
    assert len(set(turns)) == 3
    np.testing.assert_allclose(metrics["disc/loss"], np.mean(turns), rtol=1e-5)
    np.testing.assert_allclose(metrics["gen/loss"], last, rtol=1e-5)


class Looks(nn.Module):
    """A discriminator whose features are the images that it is shown."""

    axis: str | None = None

    def __call__(self, x, train):
        return DiscOutput(x.mean((1, 2, 3)), x)


@pytest.mark.long
@pytest.mark.parametrize("sd", [0.05, 0.5])
def test_input_noise_has_its_sd(sd):
    vs, x = Vars({"disc": {}}, {"disc": {}}), jnp.full((20, 16, 16, 3), 0.3)
    see = lambda sd: (
        discriminator.apply(
            StepContext({"disc": Looks()}, gan.Settings(input_noise=sd), {}), vs, KEY, x
        )[0].features
    )
    noise = np.asarray(see(sd)) - 0.3
    assert abs(noise.std() / sd - 1) < 0.03 and abs(noise.mean() / sd) < 0.03
    assert np.array_equal(see(0.0), x)


def test_input_noise_is_fresh_at_every_call(float64):
    """Reals equal to the fakes score the same, unless each call of D draws noise of its own; the
    penalty sees none.
    """
    same = fakes(jax.random.split(KEY, 4)[0])
    _, quiet = run(gan.disc_loss, x=same, penalty="dragan")
    _, noisy = run(gan.disc_loss, x=same, penalty="dragan", input_noise=0.3)
    np.testing.assert_allclose(quiet["real_prob"], quiet["fake_prob"], rtol=1e-9)
    assert (
        len({round(p, 4) for p in (quiet["real_prob"], noisy["real_prob"], noisy["fake_prob"])})
        == 3
    )
    assert noisy["penalty"] == quiet["penalty"]
    assert run(gan.gen_loss)[0] != run(gan.gen_loss, input_noise=0.3)[0]


@pytest.mark.long
@pytest.mark.parametrize(
    "case",
    tiers.cases(
        [case for case, (method, _) in methods_small.CASES.items() if method == "gan"],
        ("gan_hinge_r1", "gan_ada"),
    ),
)
def test_players_change_only_their_nets(case):
    ownership.check(case)
