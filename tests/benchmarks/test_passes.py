"""Counting of multiply-adds: by hand for single products and a plain GAN; in no method's step is a pass made twice."""

import jax
import jax.numpy as jnp
import pytest

from experiments.benchmarks import passes, products
from experiments.benchmarks.workloads import Spec
from gan_jax.commands import process
from gan_jax.ops import conv


def compiled(f, *shapes):
    text = (
        jax.jit(lambda *a: f(*a))
        .lower(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes))
        .compile()
        .as_text()
    )
    return sum(p.terms for p in products.count(text))


def test_padding_and_holes_are_not_counted(monkeypatch):
    """7 px, kernel 5, stride 2: along one axis the four outputs meet 3, 5, 5 and 3 pixels."""
    x, w, y = (2, 7, 7, 6), (5, 5, 6, 3), (2, 4, 4, 3)
    terms = (3 + 5 + 5 + 3) ** 2 * 2 * 6 * 3
    maps = (
        (lambda x, w: conv.conv(x, w, 2)),
        (lambda y, w: conv.conv_t(y, w, 2, (7, 7))),
        (lambda x, y: conv.wgrad(x, y, 2, 5)),
    )
    arguments = (x, w), (y, w), (x, y)
    for rule, of_transpose in [
        ("native", terms),
        ("cpu", (4 * 5) ** 2 * 2 * 6 * 3),
    ]:  # there one product with all taps
        monkeypatch.setenv("GAN_CONV", rule)
        found = [compiled(f, *shapes) for f, shapes in zip(maps, arguments, strict=True)]
        assert found == [terms, of_transpose, terms]


def test_loops_branches_and_outer_products():
    dot = lambda a, b: jnp.tanh(a @ b)
    assert compiled(dot, (2, 3), (3, 3)) == 18
    assert (
        compiled(
            lambda a, b: jax.lax.scan(lambda c, _: (dot(c, b), None), a, None, 7)[0], (2, 3), (3, 3)
        )
        == 7 * 18
    )
    branches = lambda a, b: jax.lax.cond(a.sum() > 0, dot, lambda a, b: dot(dot(a, b), b), a, b)
    assert compiled(branches, (2, 3), (3, 3)) == 3 * 18
    assert compiled(lambda a, b: dot(a, b), (20, 1), (1, 30)) == 0


def test_a_plain_gan_is_counted_by_hand(monkeypatch):
    monkeypatch.setenv("GAN_CONV", "native")  # otherwise sums are products with ones
    spec = Spec("gan", {"net": "mlp", "width": 8, "depth": 2, "z_dim": 4}, 6, 1, 5)
    gen, disc = 5 * (4 * 8 + 8 * 8 + 8 * 36), 5 * (36 * 8 + 8 * 8 + 8 * 1)
    # Weights of all layers; inputs of the second alone, as those of the logit add nothing up.
    on_disc = gen + 2 * (disc + disc + 5 * (8 * 8))
    on_gen = gen + gen + 5 * (8 * 8 + 8 * 36) + disc + 5 * (36 * 8 + 8 * 8)
    assert passes.measure(spec) == (on_disc + on_gen, on_disc + on_gen)


QUICK = ("simultaneous", "mgan_mnist", "morpho_32")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in passes.WORKLOADS]
)
def test_no_pass_is_made_twice(name, monkeypatch):
    monkeypatch.setenv("GAN_CONV", "native")
    needed, done = passes.measure(passes.WORKLOADS[name].small())
    assert (
        0.99 <= needed / done <= 1.03
    )  # the table has a head for rows whose loss does not read it


def test_unknown_workloads_are_refused(capsys):
    assert process.guarded(passes.run, ["--workloads=vae"]) == 2
    assert "--workloads=vae is not known" in capsys.readouterr().err
