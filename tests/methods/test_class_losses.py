"""AC-GAN's heads: D2D-CE and ADC beside numpy in float64, and beside the sources' sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import test_util

from gan_jax import methods
from gan_jax.core import class_losses, parallel
from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.method import StepContext, apply_net, make_context
from gan_jax.errors import InputError
from gan_jax.methods import acgan, base
from gan_jax.nets.outputs import DiscOutput
from tests import methods_small

R = np.random.default_rng(2)
MARGIN, TEMPERATURE = 0.2, 0.5


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


EMBEDDING, PROXIES = unit(R.normal(size=(8, 3))), unit(R.normal(size=(4, 3)))
LABEL = np.array([0, 1, 2, 0, -1, 3, 1, 1])


def reference(f, proxies, label, margin=MARGIN, temperature=TEMPERATURE):
    """D2D-CE of every image, by loops as the paper's formula is written."""
    out = np.zeros(len(f))
    for i in range(len(f)):
        if label[i] < 0:
            continue
        easy = np.exp(min(f[i] @ proxies[label[i]] - margin, 0) / temperature)
        hard = sum(
            np.exp(max(f[i] @ f[j] - (1 - margin), 0) / temperature)
            for j in range(len(f))
            if label[j] >= 0 and label[j] != label[i]
        )
        out[i] = -np.log(easy / (easy + hard))
    return out


def context(axis=None, **options):
    return StepContext({}, acgan.Settings(**options), {}, axis=axis)


def d2d(f, proxies, label, ctx=None):
    f, proxies = f / jnp.linalg.norm(f, axis=-1, keepdims=True), jnp.asarray(proxies)
    cosines = f @ proxies.T
    return class_losses.d2d_cross_entropy(
        ctx or context(), f, cosines, jnp.asarray(label), MARGIN, TEMPERATURE
    )


def test_d2d_is_the_formula():
    with jax.enable_x64(True):
        value = d2d(jnp.asarray(EMBEDDING), PROXIES, LABEL)
        assert value.dtype == jnp.float64
        np.testing.assert_allclose(value, reference(EMBEDDING, PROXIES, LABEL), rtol=1e-12)


def test_d2d_is_differentiable_where_nothing_is_negative():
    """One class in the minibatch: the loss is 0, and so is its gradient."""
    grad = jax.grad(lambda f: d2d(f, PROXIES, np.zeros(8, int)).sum())(jnp.asarray(EMBEDDING))
    assert (np.asarray(grad) == 0).all()


def test_d2d_gradients_are_those_of_finite_differences():
    with jax.enable_x64(True):
        f = jnp.asarray(R.normal(size=(8, 3)))
        total = lambda f: d2d(f, PROXIES, LABEL).sum()
        test_util.check_grads(total, (f,), 2, modes=("rev",), rtol=1e-4, atol=1e-5)


def test_easy_images_give_no_gradient():
    """The cosine with the own proxy is above the margin, all others below: only the count stays."""
    proxies = np.eye(3)
    value = d2d(jnp.asarray(proxies), proxies, np.arange(3))
    np.testing.assert_allclose(value, np.log(3), rtol=1e-6)
    grad = jax.grad(lambda f: d2d(f, proxies, np.arange(3)).sum())(jnp.asarray(proxies))
    assert (np.asarray(grad) == 0).all()


def test_negatives_are_those_of_all_devices():
    devices = parallel.all_devices(2)

    def mean_and_grad(axis):
        ctx = context(axis)

        def loss(w, batch):
            f, label = batch
            return parallel.mean(ctx, d2d(f @ w, PROXIES, label, ctx))

        def program(w, batch):
            return parallel.average(jax.value_and_grad(loss)(w, batch), axis)

        return program

    w, batch = jnp.asarray(R.normal(size=(3, 3)), jnp.float32), (EMBEDDING, LABEL)
    one = mean_and_grad(None)(w, batch)
    program = parallel.pmapped(mean_and_grad(parallel.AXIS), devices, batch_axis=0)
    two = program(parallel.put_replicated(w, devices), parallel.put_split(batch, devices, 0))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def output(logits):
    return DiscOutput(jnp.zeros(len(logits)), jnp.zeros((len(logits), 1)), jnp.asarray(logits))


def test_adc_has_a_class_of_real_and_of_generated_images_for_each_class():
    with jax.enable_x64(True):
        real, fake = R.normal(size=(2, 5, 6))
        label, asked = np.array([0, 2, 1, 1, -1]), np.array([2, 0, 1, 0, 2])
        log_c = lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))
        rows, ctx = np.arange(5), context(class_loss="adc")
        on_real = -log_c(real)[rows, label] * (label >= 0)
        on_fake = -log_c(fake)[rows, asked + 3]
        head = acgan.CLASS_LOSSES["adc"]
        assert head.n_outputs(ctx.hp, 3) == 6
        of_disc = head.disc_term(ctx, output(real), jnp.asarray(label), output(fake), asked)
        np.testing.assert_allclose(of_disc, on_real.mean() + on_fake.mean(), rtol=1e-12)
        of_gen = head.gen_term(ctx, output(fake), jnp.asarray(asked))
        expected = (log_c(fake)[rows, asked + 3] - log_c(fake)[rows, asked]).mean()
        np.testing.assert_allclose(of_gen, expected, rtol=1e-12)


def test_an_ideal_adc_head_makes_the_term_a_divergence():
    """Of the generated images of a class from the real ones: KL(q || p), 0 where they agree."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])  # of three pictures, in one class
    logits = np.log(np.stack([p, q], -1))  # C(real | x) = p(x) / (p(x) + q(x))
    with jax.enable_x64(True):
        terms = [
            float(acgan.CLASS_LOSSES["adc"].gen_term(context(), output(row[None]), jnp.array([0])))
            for row in logits
        ]
    assert np.isclose(q @ np.array(terms), (q * np.log(q / p)).sum())


@pytest.mark.parametrize("options", [{}, {"spectral": "both"}, {"condition": "attributes"}])
def test_the_cosine_head(options):
    """Cosines, lengths of 1, and no layer more than the embedding and the proxies."""
    hp = {"class_loss": "d2d_ce", "d2d_dim": 6, "width": 4, "z_dim": 3, **options}
    method = acgan.build(acgan.Settings(**hp), methods_small.SHAPE, 10)
    shapes = state_shapes(method).params["disc"]["CosineHead_0"]
    assert shapes["proxies"].shape == (3, 6) and shapes["Dense_0"]["kernel"].shape[1] == 6
    vs, ctx = init_jitted(method, 0).vars(), make_context(method)
    x = jnp.asarray(R.uniform(-1, 1, (4, 16, 16, 2)), jnp.float32)
    out, _ = apply_net(ctx, vs, "disc", x)
    np.testing.assert_allclose((out.embedding**2).sum(-1), 1, rtol=1e-5)
    assert out.classes.shape == (4, 3) and (np.abs(out.classes) <= 1 + 1e-6).all()
    low = apply_net(ctx._replace(dtype=jnp.bfloat16), vs, "disc", x)[0]
    np.testing.assert_allclose((low.embedding**2).sum(-1), 1, rtol=1e-5)  # summed in float32


def test_the_classes_of_generated_images_are_of_cross_entropy():
    hp = methods.TABLE["acgan"].Settings(class_loss="adc", fake_class="extra")
    with pytest.raises(InputError, match="--fake_class=extra is of --class_loss=ce"):
        acgan.check(hp, base.DataSpec(16, 1, ("a", "b"), (1, 1)))
