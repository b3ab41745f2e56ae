"""The methods that give D a second head or a condition: AC-GAN, MGAN, InfoGAN, colorization."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core.initialize import init_jitted
from gan_jax.core.keys import KeyStream, fold
from gan_jax.core.method import StepContext, apply_net, make_context, n_minibatches
from gan_jax.core.step import build_step
from gan_jax.methods import acgan, base, colorize, discriminator, infogan, mgan
from gan_jax.nets.outputs import DiscOutput
from tests import methods_small, tiers
from tests.methods_small import one_batch
from tests.reference import ownership

KEY = jax.random.key(3)
R = np.random.default_rng(5)


@pytest.mark.long
@pytest.mark.parametrize(
    "case",
    tiers.cases(
        [c for c, (m, _) in methods_small.CASES.items() if m not in ("gan", "distgan")],
        ("acgan_d2d", "mgan", "colorize"),
    ),
)
def test_players_change_only_their_nets(case):
    ownership.check(case)


def blind(case):
    """(method, Vars whose D answers 0 to everything)."""
    method = methods_small.build(case)
    vs = init_jitted(method, 0).vars()
    return method, vs._replace(
        params={**vs.params, "disc": jax.tree.map(jnp.zeros_like, vs.params["disc"])}
    )


LN2 = math.log(2)
AT_START = {  # case: what D's and G's losses are where D knows nothing
    "gan": (2 * LN2, LN2),
    "cgan": (2 * LN2, LN2),
    "cgan_maxout": (2 * LN2, LN2),
    "acgan": (2 * LN2 + 2 * math.log(3), LN2 + math.log(3)),
    "mgan": (2 * LN2 + math.log(3), LN2 + 0.01 * math.log(3)),
    "colorize": (LN2, LN2),  # D's is halved; G's without its L1 term
}


@pytest.mark.long
@pytest.mark.parametrize("case", tiers.cases(AT_START, ("gan", "acgan", "mgan")))
def test_losses_where_d_knows_nothing(case):
    """2 ln 2 for D, ln 2 for G, ln K for each class term."""
    method, vs = blind(case)
    ctx = make_context(method)
    (on_disc, _), (on_gen, (_, metrics)) = (
        jax.jit(functools.partial(p.loss, ctx))(vs, one_batch(method), KEY) for p in method.players
    )
    l1 = method.hp.lambda_l1 * metrics["l1"] if case == "colorize" else 0.0
    np.testing.assert_allclose([on_disc, on_gen - l1], AT_START[case], rtol=1e-5)


def log_softmax(a):
    return a - np.log(np.exp(a).sum(-1, keepdims=True))


def nll(out, y):
    """Cross-entropy per row, 0 where y is -1."""
    return -np.array(
        [
            log_softmax(np.asarray(row))[i] if i >= 0 else 0.0
            for row, i in zip(out.classes, y, strict=True)
        ]
    )


def outputs(n, k):
    return DiscOutput(jnp.zeros(n), jnp.zeros((n, 2)), jnp.asarray(R.normal(size=(n, k))))


@pytest.mark.long
def test_acgan_class_terms_equal_numpy():
    """Cross-entropy on reals with their labels (unknown ones left out) and on fakes with what they
    were meant to be.
    """
    real, fake, c = outputs(6, 4), outputs(6, 4), jnp.asarray(R.integers(0, 3, 6))
    label = jnp.asarray([0, 2, -1, 1, 1, 2])
    ctx, terms = (
        StepContext({}, acgan.Settings(lambda_c=2.0, lambda_c_gen=0.5), {}),
        acgan.head_spec(3),
    )
    value, metrics = terms.disc_term(ctx, {"label": label}, real, fake, c)
    np.testing.assert_allclose(
        value, 2 * (nll(real, label).mean() + nll(fake, c).mean()), rtol=1e-5
    )
    np.testing.assert_allclose(metrics["fake_class"], (fake.classes.argmax(-1) == c).mean())
    np.testing.assert_allclose(
        terms.gen_term(ctx, {}, None, fake, c)[0], nll(fake, c).mean() / 2, rtol=1e-5
    )
    ctx = StepContext(
        {}, acgan.Settings(fake_class="extra"), {}
    )  # D: generated images are a class of their own; G: as before (D19)
    value, _ = terms.disc_term(ctx, {"label": label}, real, fake, c)
    np.testing.assert_allclose(
        value, nll(real, label).mean() + nll(fake, [3] * 6).mean(), rtol=1e-5
    )
    np.testing.assert_allclose(
        terms.gen_term(ctx, {}, None, fake, c)[0], nll(fake, c).mean(), rtol=1e-5
    )
    ctx = StepContext(
        {}, acgan.Settings(fake_class="none"), {}
    )  # D: generated images say nothing about classes
    np.testing.assert_allclose(
        terms.disc_term(ctx, {"label": label}, real, fake, c)[0], nll(real, label).mean(), rtol=1e-5
    )


@pytest.mark.long
def test_acgan_draws_classes_uniformly_whatever_the_labels():
    method = methods_small.build("acgan")
    fake = acgan.head_spec(3).generate
    vs, ctx = init_jitted(method, 0).vars(), make_context(method)
    batch = {"image": jnp.zeros((600, 16, 16, 2)), "label": jnp.zeros(600, jnp.int32)}
    (_, c), _ = jax.jit(lambda: fake(ctx, vs, KEY, batch))()
    assert np.abs(np.bincount(c, minlength=3) - 200).max() < 60  # 5 standard deviations


def test_acgan_draws_only_classes_that_have_images(monkeypatch):
    """Where all have some, the numbers are those of a plain draw."""
    monkeypatch.setattr(base, "generate", lambda ctx, vs, key, n, classes: (classes, vs))
    made = []
    make = acgan.head_spec
    monkeypatch.setattr(acgan, "head_spec", lambda *args: made.append(make(*args)) or made[-1])
    ctx, batch = StepContext({}, acgan.Settings(), {}), {"image": jnp.zeros((300, 16, 16, 2))}
    drawn = {}
    for counts in ((3, 1, 4), (0, 5, 4), (), (0, 0, 7), "absent"):
        is_absent = counts == "absent"
        spec = methods_small.SHAPE._replace(counts=(0, 5, 4) if is_absent else counts)
        acgan.build(acgan.Settings(width=4, z_dim=3, absent_classes=is_absent), spec, 10)
        drawn[counts] = np.asarray(made[-1].generate(ctx, {}, KEY, batch)[0][1])
    key = fold(KEY, KeyStream.TRAINING_CONDITION)
    plain = jax.random.randint(key, (300,), 0, 3)
    assert np.array_equal(drawn[3, 1, 4], plain) and np.array_equal(drawn[()], plain)
    found, n = np.unique(drawn[0, 5, 4], return_counts=True)
    assert found.tolist() == [1, 2] and n.min() > 105  # 5 standard deviations
    assert (drawn[0, 0, 7] == 2).all() and np.array_equal(drawn["absent"], plain)


def test_infogan_term_equals_numpy():
    hp = infogan.Settings(n_codes=3, n_factors=2, lambda_info=0.5)
    code = np.concatenate([np.eye(3)[[0, 2, 1, 1]], R.uniform(-1, 1, (4, 2))], 1)
    out = outputs(4, 5)
    value, metrics = infogan.information_term(
        StepContext({}, hp, {}), {}, None, out, jnp.asarray(code)
    )
    logits = np.asarray(out.classes)
    category = -(log_softmax(logits[:, :3]) * code[:, :3]).sum(1).mean()
    error = 0.5 * ((logits[:, 3:] - code[:, 3:]) ** 2).sum(1).mean()
    np.testing.assert_allclose([value, metrics["category_term"], metrics["factor_term"]],
                               [0.5 * (category + error), category, error], rtol=1e-5)  # fmt: skip


def mgan_method(**options):
    hp = mgan.Settings(net="mgan_mnist", width=4, z_dim=5, n_gens=3, gen_batch=4, **options)
    return mgan.build(hp, methods_small.SHAPE, 10)


@pytest.mark.long
def test_mgan_gives_every_generator_the_same_noise():
    method = mgan_method()
    vs, ctx = init_jitted(method, 0).vars(), make_context(method)
    (images, k), _ = mgan._generate(ctx, vs, KEY, {})
    assert k.tolist() == [0, 1, 2] * 4
    z = base.sample_noise(ctx, KEY, 4)
    for g in range(3):  # by running statistics, so that the other generators' images do not matter
        alone, _ = apply_net(ctx, vs, "gen", z, train=False, which=jnp.full(4, g))
        block, _ = apply_net(ctx, vs, "gen", z, train=False)
        np.testing.assert_allclose(alone, block[g::3], atol=1e-6)
    assert not np.allclose(images[0::3], images[1::3])


@pytest.mark.long
def test_mgan_players_see_the_same_noise():
    """The classifier's term on fakes is the same number in D's loss and in G's, where D does not
    move between.
    """
    method = mgan_method()
    (disc, gen), ctx, vs = method.players, make_context(method), init_jitted(method, 0).vars()
    batch = one_batch(method)
    with_term, _ = disc.loss(ctx, vs, batch, KEY)
    without, _ = disc.loss(
        ctx._replace(hp=dataclasses.replace(method.hp, lambda_c=0.0)), vs, batch, KEY
    )
    _, (_, metrics) = gen.loss(ctx, vs, batch, KEY)
    np.testing.assert_allclose(with_term - without, metrics["diversity"], rtol=1e-5)


@pytest.mark.long
def test_mgan_with_one_generator_is_dcgan():
    hp = dataclasses.replace(mgan_method(beta=5.0).hp, n_gens=1)
    method = mgan.build(hp, methods_small.SHAPE, 10)
    vs, ctx = init_jitted(method, 0).vars(), make_context(method)
    loss, (_, metrics) = method.players[1].loss(ctx, vs, one_batch(method), KEY)
    assert metrics["diversity"] == 0
    fake, _ = apply_net(
        ctx, vs, "gen", base.sample_noise(ctx, jax.random.split(KEY)[0], hp.gen_batch)
    )
    logit = np.asarray(apply_net(ctx, vs, "disc", fake)[0].logit)
    np.testing.assert_allclose(loss, np.log1p(np.exp(-logit)).mean(), rtol=1e-5)


@pytest.mark.long
def test_mgan_five_to_one_sees_five_minibatches():
    """D moves five times, each time on a minibatch of its own; G once, on the first of them."""
    method = mgan_method(
        n_disc=5, lr=1e-30
    )  # nothing moves, so each turn's loss can be computed alone
    assert n_minibatches(method) == 5
    state, batch = init_jitted(method, 0), methods_small.batch(5, 8)
    _, metrics = jax.jit(build_step(method))(state, batch)
    ctx, key = make_context(method), jax.random.fold_in(state.key, 0)
    at = lambda r: (jax.tree.map(lambda a: a[r], batch), jax.random.fold_in(key, r))
    probs = [
        float(method.players[0].loss(ctx, state.vars(), *at(r))[1][1]["real_prob"])
        for r in range(5)
    ]
    assert len({round(p, 6) for p in probs}) == 5
    np.testing.assert_allclose(metrics["disc/real_prob"], np.mean(probs), rtol=1e-4)
    np.testing.assert_allclose(
        metrics["gen/loss"], method.players[1].loss(ctx, state.vars(), *at(0))[0], rtol=1e-4
    )


@pytest.mark.slow
def test_colorize_losses():
    method = methods_small.build("colorize")
    ctx, vs, batch = (make_context(method), init_jitted(method, 0).vars(), one_batch(method))
    x = np.asarray(batch["image"])
    gray = np.asarray(colorize.to_gray(batch["image"]))
    np.testing.assert_allclose(gray[..., 0], x @ [0.299, 0.587, 0.114], rtol=1e-5)
    loss, (_, metrics) = method.players[1].loss(ctx, vs, batch, KEY)
    fake, _ = apply_net(ctx, vs, "gen", jnp.asarray(gray), key=jax.random.split(KEY)[0])
    patches = np.asarray(apply_net(ctx, vs, "disc", fake, jnp.asarray(gray))[0].logit)
    np.testing.assert_allclose(metrics["l1"], np.abs(x - np.asarray(fake)).mean(), rtol=1e-5)
    np.testing.assert_allclose(
        loss, np.log1p(np.exp(-patches)).mean() + 100 * metrics["l1"], rtol=1e-5
    )
    real = np.asarray(apply_net(ctx, vs, "disc", batch["image"], jnp.asarray(gray))[0].logit)
    fake, _ = apply_net(ctx, vs, "gen", jnp.asarray(gray), key=jax.random.split(KEY, 4)[0])
    patches = np.asarray(apply_net(ctx, vs, "disc", fake, jnp.asarray(gray))[0].logit)
    on_disc, _ = method.players[0].loss(ctx, vs, batch, KEY)
    np.testing.assert_allclose(
        on_disc,
        0.5 * (np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(patches)).mean()),
        rtol=1e-4,
    )


@pytest.mark.long
def test_a_penalty_on_patches_is_one_on_their_mean():
    method = methods_small.build("colorize")
    ctx = make_context(method)._replace(
        hp=dataclasses.replace(method.hp, penalty="r1", lambda_p=1.0)
    )
    vs, x = init_jitted(method, 0).vars(), one_batch(method)["image"]
    gray = colorize.to_gray(x)
    _, value = discriminator.penalty(ctx, vs, KEY, x, x, gray)
    key = jax.random.fold_in(KEY, 1)
    slope = jax.grad(lambda x: apply_net(ctx, vs, "disc", x, gray, key=key)[0].logit.mean(1).sum())(
        x
    )
    np.testing.assert_allclose(value, 0.5 * (slope**2).sum((1, 2, 3)).mean(), rtol=1e-4)
