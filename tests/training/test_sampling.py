"""Sampling: what is given, which images come first, paths, truncation, triplets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.commands import kinds
from gan_jax.core import priors
from gan_jax.core.conditioning import choose_images
from gan_jax.core.initialize import init_jitted
from gan_jax.errors import InputError
from gan_jax.methods import base
from gan_jax.training import sampling
from tests import methods_small

KEY = jax.random.key(1)


@functools.cache
def trained(case):
    """(method, Vars, sampler) of an untrained case."""
    method = methods_small.build(case)
    pool = (
        np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
        if method.conditioning.needs_images
        else None
    )
    return method, init_jitted(method, 0).vars(), sampling.build_sampler(method, pool)


@pytest.mark.long
@pytest.mark.parametrize("case", ["gan", "cgan", "mgan", "infogan", "colorize", "morpho"])
def test_the_first_images_do_not_depend_on_their_number(case):
    method, vs, sampler = trained(case)
    many = sampler(vs, KEY, 70)
    assert many.shape[0] == 70 and many.dtype == np.uint8
    if not method.conditioning.needs_images:  # whose pool is dealt out
        assert np.array_equal(sampler(vs, KEY, 10), many[:10])
    assert np.array_equal(sampler(vs, KEY, 70), many)
    assert not np.array_equal(sampler(vs, jax.random.key(2), 70), many)


@pytest.mark.long
@pytest.mark.parametrize("case", ["cgan", "acgan", "mgan", "infogan"])
def test_given_kinds(case):
    """What is drawn is what `kinds` says; giving it again gives the same images, giving another
    kind other ones.
    """
    method, vs, sampler = trained(case)
    kinds = sampling.drawn_conditions(method, KEY, 70)
    assert set(kinds) <= set(range(len(method.conditioning.names))) and len(set(kinds)) > 1
    assert np.array_equal(sampler(vs, KEY, 70), sampler(vs, KEY, 70, kinds))
    other = (kinds + 1) % len(method.conditioning.names)
    assert not np.array_equal(sampler(vs, KEY, 70), sampler(vs, KEY, 70, other))


def test_mgan_uses_its_generators_equally():
    method, _, _ = trained("mgan")
    assert np.ptp(np.bincount(sampling.drawn_conditions(method, KEY, 64))) <= 1


def test_cgan_draws_classes_as_often_as_the_data():
    method, _, _ = trained("cgan")
    shares = np.bincount(sampling.drawn_conditions(method, KEY, 4000), minlength=3) / 4000
    np.testing.assert_allclose(shares, np.array([3, 1, 4]) / 8, atol=0.04)


def test_paths_begin_and_end_at_draws():
    method, vs, sampler = trained("gan")
    z, given = sampling.paths(method, KEY, 3, 5)
    drawn, _ = method.latent(sampling.make_context(method), KEY, 6)
    assert given is None and z.shape == (15, 5)
    np.testing.assert_allclose(z[::5], drawn[:3], rtol=1e-6)
    np.testing.assert_allclose(z[4::5], drawn[3:], rtol=1e-6)
    assert len(sampler(vs, KEY, 15, None, z)) == 15


def test_between():
    a, b = jnp.array([1.0, 0, 0]), jnp.array([0, 1.0, 0])
    np.testing.assert_allclose(priors.interpolate("uniform", a, b, 0.5), [0.5, 0.5, 0])
    np.testing.assert_allclose(
        priors.interpolate("normal", a, b, 0.5), [np.sqrt(0.5), np.sqrt(0.5), 0], rtol=1e-6
    )
    np.testing.assert_allclose(priors.interpolate("normal", a, a, 0.3), a, atol=1e-6)


@pytest.mark.long
def test_truncation():
    z = priors.PRIORS["normal"].sampler(KEY, (20000,))
    cut = np.asarray(priors.truncate("normal", z, 0.7))
    assert np.abs(cut).max() <= 0.7 and (np.argsort(cut[:50]) == np.argsort(z[:50])).all()
    expected = np.asarray(jax.random.truncated_normal(jax.random.key(9), -0.7, 0.7, (20000,)))
    np.testing.assert_allclose(
        np.quantile(cut, [0.1, 0.5, 0.9]), np.quantile(expected, [0.1, 0.5, 0.9]), atol=0.03
    )
    u = priors.PRIORS["uniform"].sampler(KEY, (100,))
    np.testing.assert_allclose(priors.truncate("uniform", u, 0.5), 0.5 * u)
    method, vs, plain = trained("gan")
    assert not np.array_equal(
        sampling.build_sampler(method, truncation=0.5)(vs, KEY, 4), plain(vs, KEY, 4)
    )


def test_triplets_are_gray_made_original():
    method, vs, sampler = trained("colorize")
    given = np.random.default_rng(3).integers(0, 256, (4, 16, 16, 3), np.uint8)
    made = sampler(vs, KEY, 4, given)
    three = sampling.triplets(method, made, given)
    luma = given @ [0.299, 0.587, 0.114]
    assert (
        np.abs(three[0] - luma[..., None]).max() <= 1
        and np.array_equal(three[1], made)
        and np.array_equal(three[2], given)
    )
    assert np.array_equal(sampling.interleave(three)[3:6], three[:, 1])


def test_pool_is_dealt_out_before_it_repeats():
    pool = np.arange(6, dtype=np.uint8)[:, None, None, None]
    drawn = choose_images(pool, KEY, 15).ravel()
    assert sorted(drawn[:6]) == sorted(drawn[6:12]) == list(range(6))
    assert list(drawn[:6]) != list(drawn[6:12])


def test_kinds_by_name_number_and_not_at_all():
    method, _, _ = trained("cgan")
    chosen = kinds.parse(method.conditioning, "2, a not-b,not-a not-b")
    assert chosen.tolist() == [2, 2, 0]
    assert kinds.parse(method.conditioning, "").tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="'c' is none"):
        kinds.parse(method.conditioning, "c")
    with pytest.raises(InputError, match="no kind"):
        kinds.parse(trained("gan")[0].conditioning, "")
    with pytest.raises(InputError, match="no noise"):
        sampling.paths(trained("colorize")[0], KEY, 2, 5)


@pytest.mark.parametrize(
    ("case", "counts", "shown"), [("cgan", (0, 5, 5), (1, 2)), ("acgan", (3, 0, 4), (0, 2))]
)
def test_grids_leave_out_classes_without_images(case, counts, shown):
    """Neither are they drawn; a name still finds them."""
    name, options = methods_small.CASES[case]
    module, spec = methods.TABLE[name], base.DataSpec(8, 1, ("a", "b", "c"), counts)
    method = module.build(module.Settings(**methods_small.SMALL | options), spec, 10)
    assert method.conditioning.shown == shown
    assert set(sampling.drawn_conditions(method, KEY, 70)) == set(shown)
    assert kinds.parse(method.conditioning, "").tolist() == list(shown)
    absent = counts.index(0)
    assert kinds.parse(method.conditioning, "abc"[absent]).tolist() == [absent]
    asked = []

    def sampler(vs, key, n, condition):
        asked.extend(condition)
        return np.zeros((n, 8, 8, 1), np.uint8)

    picture = sampling.picture(method, sampler, None, KEY, None, None)
    assert set(asked) == set(shown) and picture.shape[1] == 2 * 9 - 1
