"""Dist-GAN's three losses against brute force in numpy on nets of a few numbers, in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import penalties
from gan_jax.core.initialize import init
from gan_jax.core.method import StepContext
from gan_jax.core.state import Vars
from gan_jax.methods import base, distgan
from tests import methods_small, tiers
from tests.reference import distgan as reference
from tests.reference import mlp, ownership

B, KEY = 5, jax.random.key(9)
X = np.random.default_rng(1).random((B, *mlp.IMAGE))
P = mlp.params()


def ctx(progress=0.0, **options):
    return StepContext(
        mlp.NETS, dataclasses.replace(distgan.Settings(), **{"z_dim": 3, **options}), {}, progress
    )


def run(loss, x=X, p=P, progress=0.0, **options):
    """(loss, metrics) of one of distgan's losses on the tiny nets."""
    vs = Vars(p, {net: {} for net in p})
    value, (_, metrics) = loss(ctx(progress, **options), vs, {"image": jnp.asarray(x)}, KEY)
    return float(value), {name: float(metric) for name, metric in metrics.items()}


def noise(key):
    return np.asarray(jax.random.uniform(key, (B, 3), minval=-1, maxval=1))


# The reconstruction step.


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [{}, {"lambda_r": 2.5}, {"lambda_w": 0.3}, {"recon_space": "pixels"}, {"gen_symmetry": "flip"}],
    ids=str,
)
def test_recon_loss(float64, options):
    z, ze = noise(KEY), mlp.enc(P, X)
    fake = mlp.gen(P, z)
    if "gen_symmetry" in options:  # codes are noise without the two signs that move images
        z, ze = (np.concatenate([np.abs(a[:, :2]), a[:, 2:]], 1) for a in (z, ze))
    rec = mlp.gen(P, ze)
    real_f, rec_f, fake_f = (mlp.features(P, image) for image in (X, rec, fake))
    gap = reference.latent_data(rec_f, fake_f, ze, z, options.get("lambda_w"))
    error = (
        reference.pixel_error(X, rec)
        if "recon_space" in options
        else reference.feature_error(real_f, rec_f)
    )
    value, metrics = run(distgan.recon_loss, **options)
    assert abs(gap) > 0.01
    np.testing.assert_allclose(metrics["error"], error, rtol=1e-10)
    np.testing.assert_allclose(metrics["gap"], abs(gap), rtol=1e-10)
    np.testing.assert_allclose(value, error + options.get("lambda_r", 1.0) * gap**2, rtol=1e-10)


def test_gap_does_not_pair_codes_with_noise(float64):
    """Images in another order meet other noise; all distances are between means."""
    np.testing.assert_allclose(
        run(distgan.recon_loss, X[::-1])[0], run(distgan.recon_loss)[0], rtol=1e-10
    )


@pytest.mark.parametrize(
    "z_dim, n_features, expected",
    [(100, 4096, 0.15625), (128, 8192, 0.125), (100, 16384, 0.078125)],
    ids=["mnist", "cifar10", "celeba"],
)
def test_latent_weight(z_dim, n_features, expected):
    """D09; Morpho-GAN's sizes are CelebA's."""
    assert (
        distgan.latent_weight(dataclasses.replace(distgan.Settings(), z_dim=z_dim), n_features)
        == expected
    )
    assert (
        distgan.latent_weight(dataclasses.replace(distgan.Settings(), lambda_w=0.1105), n_features)
        == 0.1105
    )


@pytest.mark.parametrize("recon_trains, nets", [("enc", ("enc",)), ("enc_gen", ("enc", "gen"))])
def test_order_of_turns_and_what_they_train(recon_trains, nets):
    hp = dataclasses.replace(distgan.Settings(), width=4, recon_trains=recon_trains)
    players = distgan.build(hp, base.DataSpec(8, 1), 10).players
    assert [(p.name, p.nets) for p in players] == [
        ("recon", nets),
        ("disc", ("disc",)),
        ("gen", ("gen",)),
    ]
    assert [p.repeats for p in players] == [1, 1, 1]


# D's step.

MU = {0.0: 0.0, 0.5: 0.0, 0.6: 0.02, 0.7: 0.04, 0.75: 0.05, 1.0: 0.05}


def scored(options):
    """Mean losses on reals, reconstructions and fakes, and the fakes, with noise drawn as disc_loss
    does.
    """
    kz, kx, kr, kf, _ = jax.random.split(KEY, 5)
    sd = options.get("input_noise", 0.0)
    fake = mlp.gen(P, noise(kz))
    inputs = [(X, kx), (mlp.gen(P, mlp.enc(P, X)), kr), (fake, kf)]
    logits = [
        mlp.logit(P, x + sd * np.asarray(jax.random.normal(key, x.shape))) for x, key in inputs
    ]
    hinge = options.get("hinge", "off")
    if hinge == "code_prob":
        logits = [reference.sigmoid(logit) for logit in logits]
    return (reference.log_terms if hinge == "off" else reference.hinge_terms)(*logits), fake


def expected_penalty(options, fake):
    """The slope penalty at the points that disc_loss draws."""
    kp = jax.random.split(KEY, 5)[4]
    if options.get("penalty") == "dragan":
        x = np.asarray(penalties.perturb(ctx(), jnp.asarray(X), kp))  # checked in test_penalties
    else:
        a = np.asarray(jax.random.uniform(kp, (B, 1, 1, 1)))
        x = a * fake + (1 - a) * X
    return reference.slope_penalty(
        mlp.slopes(P, x) / (1 if options.get("penalty_norm") == "l2" else np.sqrt(4))
    )


@pytest.mark.long
@pytest.mark.parametrize("progress", MU)
def test_disc_loss_on_schedule(float64, progress):
    mu = MU[progress]
    np.testing.assert_allclose(
        distgan.disc_weights(distgan.Settings(), progress), (0.95 + mu, 0.05 - mu), atol=1e-12
    )
    np.testing.assert_allclose(reference.schedule(progress), (0.95 + mu, 0.05 - mu), atol=1e-12)
    (real, rec, on_fake), fake = scored({})
    value, metrics = run(distgan.disc_loss, progress=progress)
    np.testing.assert_allclose(metrics["penalty"], expected_penalty({}, fake), rtol=1e-10)
    np.testing.assert_allclose(
        value, (0.95 + mu) * real + (0.05 - mu) * rec + on_fake + metrics["penalty"], rtol=1e-10
    )


@pytest.mark.parametrize(
    "options, sign",
    [
        ({"disc_weights": "equal"}, 1),
        ({"penalty_norm": "l2", "lambda_p": 10.0}, 1),
        ({"penalty": "dragan", "penalty_norm": "l2", "input_noise": 0.1}, 1),
        ({"penalty_sign": "minus"}, -1),
        ({"hinge": "corrected"}, 1),
        ({"hinge": "corrected", "penalty_sign": "minus"}, -1),
        ({"hinge": "code_logit"}, -1),
        ({"hinge": "code_prob"}, -1),
        ({"hinge": "code_logit", "disc_weights": "equal", "penalty_sign": "minus"}, 1),
    ],
    ids=str,
)
def test_disc_loss_variants(float64, options, sign):
    """D01, D03, D05, D08. sign: of the penalty in what is minimised."""
    (real, rec, on_fake), fake = scored(options)
    w_real, w_rec = (1, 1) if "disc_weights" in options else reference.schedule(0.6)
    value, metrics = run(distgan.disc_loss, progress=0.6, **options)
    penalty = expected_penalty(options, fake)
    assert penalty > 0.01
    np.testing.assert_allclose(metrics["penalty"], penalty, rtol=1e-9)
    weighted = sign * options.get("lambda_p", 1) * penalty
    np.testing.assert_allclose(value, w_real * real + w_rec * rec + on_fake + weighted, rtol=1e-9)


def test_disc_loss_without_penalty_where_d_knows_nothing(float64):
    """Logits 0: weights 0.95 + 0.05 + 1 times ln 2."""
    blind = {**P, "disc": mlp.params(scale=0.0)["disc"]}
    np.testing.assert_allclose(
        run(distgan.disc_loss, p=blind, penalty="none")[0], 2 * np.log(2), rtol=1e-6
    )


# G's step.


def gen_grads(x, p=P, **options):
    """(G's loss, its gradient in G's parameters as one vector)."""

    def loss(gen):
        vs = Vars({**p, "gen": gen}, {net: {} for net in p})
        return distgan.gen_loss(ctx(**options), vs, {"image": jnp.asarray(x)}, KEY)[0]

    value, grads = jax.value_and_grad(loss)(p["gen"])
    return float(value), np.concatenate([np.ravel(g) for g in jax.tree.leaves(grads)])


def ordered():
    """(images that score higher than the fakes, images that score lower)."""
    pool = np.random.default_rng(3).normal(scale=3, size=(200, *mlp.IMAGE))
    pool = pool[np.argsort(mlp.logit(P, pool))]
    return pool[-B:], pool[:B]


def test_gen_loss_is_the_distance_of_mean_scores(float64):
    fake = mlp.logit(P, mlp.gen(P, noise(jax.random.split(KEY, 3)[0])))
    for x in ordered():
        expected = reference.score_distance(mlp.logit(P, x), fake)
        np.testing.assert_allclose(run(distgan.gen_loss, x)[0], expected, rtol=1e-10)
    expected = -np.mean(np.log(reference.sigmoid(fake)))
    np.testing.assert_allclose(run(distgan.gen_loss, gen_loss="ns")[0], expected, rtol=1e-10)


@pytest.mark.long
def test_gen_gradient_flips_with_the_order_of_scores(float64):
    """Reals reach G's gradient through that sign alone; the ns loss does not see them."""
    (_, up), (_, down) = (gen_grads(x) for x in ordered())
    assert np.abs(up).max() > 1e-3
    np.testing.assert_allclose(up, -down, rtol=1e-10)
    (_, up), (_, down) = (gen_grads(x, gen_loss="ns") for x in ordered())
    np.testing.assert_array_equal(up, down)


def test_score_distance_saturates_and_ns_does_not(float64):
    """D24: where D rejects everything, by a bias of -40, sigmoid' leaves G no gradient."""
    shifted = {**P["disc"]["Dense_1"], "bias": P["disc"]["Dense_1"]["bias"] - 40}
    rejecting = {**P, "disc": {**P["disc"], "Dense_1": shifted}}
    sizes = {
        name: np.abs(gen_grads(ordered()[0], rejecting, gen_loss=name)[1]).max()
        for name in ("score", "ns")
    }
    assert sizes["score"] < 1e-12 and sizes["ns"] > 1e-3


@pytest.mark.long
@pytest.mark.parametrize(
    "case",
    tiers.cases(
        [case for case, (method, _) in methods_small.CASES.items() if method == "distgan"],
        ("morpho", "distgan_enc_gen"),
    ),
)
def test_players_change_only_their_nets(case):
    ownership.check(case)


@pytest.mark.long
def test_players_that_share_a_net_both_move_it():
    """In numbers: every matrix of what a player trains, the rest bit for bit as before. (Where no
    hinge is met, the gradient of D's last bias cancels.)
    """
    method = methods_small.build("distgan_enc_gen")
    dummies = {
        "gen": (jnp.zeros((2, 3)),),
        "disc": (jnp.zeros((2, *mlp.IMAGE)),),
        "enc": (jnp.zeros((2, *mlp.IMAGE)),),
    }
    method = method._replace(
        nets=mlp.NETS, example_inputs=dummies, hp=dataclasses.replace(method.hp, z_dim=3)
    )
    start = jax.jit(lambda: init(method, jax.random.key(0)))()
    moves = [ownership.move(method, index) for index in range(3)]
    ends = jax.jit(lambda state, batch: [move(state, batch) for move in moves])(
        start, {"image": jnp.float32(X)}
    )
    for end, trained in zip(ends, [{"enc", "gen"}, {"disc"}, {"gen"}], strict=True):
        for net in method.nets:
            changed = {
                layer: not np.array_equal(
                    start.params[net][layer]["kernel"], end.params[net][layer]["kernel"]
                )
                for layer in start.params[net]
            }
            assert (
                all(changed.values())
                if net in trained
                else ownership.same(start.params[net], end.params[net])
            ), net
