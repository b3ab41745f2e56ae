"""Counting of multiply-adds: by hand for products and a plain GAN; no pass is computed twice."""

import jax
import jax.numpy as jnp
import pytest

from experiments.benchmarks import passes, products
from experiments.benchmarks.workloads import Workload
from gan_jax.ops import conv
from tests.tiers import slowly


def count_compiled(f, *shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    text = jax.jit(lambda *a: f(*a)).lower(*arrays).compile().as_text()
    return sum(p.terms for p in products.count(text))


def test_padding_and_holes_are_not_counted(monkeypatch):
    """7 px, kernel 5, stride 2: along one axis the four outputs meet 3, 5, 5 and 3 pixels."""
    x, w, y = (2, 7, 7, 6), (5, 5, 6, 3), (2, 4, 4, 3)
    terms = (3 + 5 + 5 + 3) ** 2 * 2 * 6 * 3
    all_taps = (4 * 5) ** 2 * 2 * 6 * 3  # in one product, as a CPU computes the transpose
    for rule, of_transpose in (("native", terms), ("cpu", all_taps)):
        monkeypatch.setenv("GAN_CONV", rule)
        assert count_compiled(lambda x, w: conv.conv(x, w, 2), x, w) == terms
        assert count_compiled(lambda y, w: conv.conv_t(y, w, 2, (7, 7)), y, w) == of_transpose
        assert count_compiled(lambda x, y: conv.wgrad(x, y, 2, 5), x, y) == terms


def test_loops_branches_and_outer_products():
    dot = lambda a, b: jnp.tanh(a @ b)
    assert count_compiled(dot, (2, 3), (3, 3)) == 18
    loop = lambda a, b: jax.lax.scan(lambda c, _: (dot(c, b), None), a, None, 7)[0]
    assert count_compiled(loop, (2, 3), (3, 3)) == 7 * 18
    branches = lambda a, b: jax.lax.cond(a.sum() > 0, dot, lambda a, b: dot(dot(a, b), b), a, b)
    assert count_compiled(branches, (2, 3), (3, 3)) == 3 * 18
    assert count_compiled(lambda a, b: dot(a, b), (20, 1), (1, 30)) == 0


@pytest.mark.long
def test_a_plain_gan_is_counted_by_hand(monkeypatch):
    monkeypatch.setenv("GAN_CONV", "native")  # otherwise sums are products with ones
    workload = Workload("gan", {"net": "mlp", "width": 8, "depth": 2, "z_dim": 4}, 6, 1, 5)
    gen, disc = 5 * (4 * 8 + 8 * 8 + 8 * 36), 5 * (36 * 8 + 8 * 8 + 8 * 1)
    # Weights of all layers; inputs of the second alone, as those of the logit add nothing up.
    on_disc = gen + 2 * (disc + disc + 5 * (8 * 8))
    on_gen = gen + gen + 5 * (8 * 8 + 8 * 36) + disc + 5 * (36 * 8 + 8 * 8)
    assert passes.measure(workload) == (on_disc + on_gen, on_disc + on_gen)


QUICK = ("simultaneous",)


@pytest.mark.long
@pytest.mark.parametrize("name", [n if n in QUICK else slowly(n) for n in passes.WORKLOADS])
def test_no_pass_is_computed_twice(name, monkeypatch):
    """The table of passes also has a head for rows whose loss does not read it."""
    monkeypatch.setenv("GAN_CONV", "native")
    needed, done = passes.measure(passes.WORKLOADS[name].small())
    assert 0.99 <= needed / done <= 1.03
