"""Images whose sides differ: every family's shapes, transposes, steps on devices, refusals."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core import parallel
from gan_jax.core.initialize import init_jitted
from gan_jax.core.method import n_minibatches
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.methods import base, colorize, distgan, gan
from gan_jax.nets import conditional, families
from gan_jax.settings import Size
from tests.nets import probe
from tests.tiers import slowly

SIZES = Size(24, 40), Size(40, 24)
QUICK = ("dcgan", "sngan", "s1", "r3gan", "mlp", "unrolled")
# distgan_mnist is for 28 x 28; maxout_cgan needs a condition.
NETS = [name for name in families.TABLE if name not in ("distgan_mnist", "maxout_cgan")]


def _nets(name, hw, colors=2, n_classes=0):
    """Generator, discriminator and encoder."""
    hp = dataclasses.replace(distgan.Settings(), width=4, z_dim=5, net=name)
    family, spec = families.TABLE[name], base.DataSpec(hw, colors)
    disc = family.disc(hp, spec, probe.WEIGHTS, n_classes)
    return family.gen(hp, spec, probe.WEIGHTS), disc, family.enc(hp, spec, probe.WEIGHTS)


@pytest.mark.parametrize("value", [32, "32", "32x32", (32, 32), [32], " 32 X 32 "])
def test_a_square_is_its_side(value):
    size = Size.of(value)
    assert size == (32, 32) and size.value == 32 and size.side == 32 and str(size) == "32"
    assert base.DataSpec(value, 3) == base.DataSpec(32, 3) and base.DataSpec(value, 3).size == 32


@pytest.mark.parametrize("value", ["24x40", (24, 40), np.array([24, 40]).tolist()])
def test_height_comes_first(value):
    size = Size.of(value)
    assert (size.height, size.width, size.value, str(size)) == (24, 40, "24x40", "24x40")
    with pytest.raises(InputError, match="--size=24x40 has two sides, .*; use --size=24"):
        base.DataSpec(value, 3).size  # noqa: B018


@pytest.mark.parametrize("value", ["24x", "x", "", "a", "1x2x3", "-3", (1, 2, 3), (), (24.5, 8)])
def test_no_sizes(value):
    with pytest.raises(ValueError, match="is no size"):
        Size.of(value)


@pytest.mark.parametrize(
    "name, hw",
    [(n, SIZES[0]) if n in QUICK else slowly(n, SIZES[0]) for n in NETS]
    + [slowly(n, SIZES[1]) for n in NETS],
)
def test_shapes(name, hw):
    gen, disc, enc = _nets(name, hw, n_classes=3)
    families.TABLE[name].check(base.DataSpec(hw, 2))
    image = (2, *hw, 2)
    assert probe.shapes(gen, (2, 5)) == image
    out = probe.shapes(disc, image)
    assert (out.logit, out.classes) == ((2,), (2, 3))
    assert probe.shapes(enc, image) == (2, 5)
    if name == "mlp":
        planes = conditional.Disc(disc.clone(n_classes=0), "concat", 3)
        condition = jax.ShapeDtypeStruct((2,), jnp.int32)
        x = jax.ShapeDtypeStruct(image, jnp.float32)
        made = jax.eval_shape(
            lambda x, y: planes.init_with_output(jax.random.key(0), x, y, train=False)[0].logit,
            x,
            condition,
        )
        assert made.shape == (2,)


@pytest.mark.parametrize(
    "name, hw",
    [
        ("dcgan", (9, 33)),
        ("unrolled", (61, 8)),
        *(slowly(n, hw) for n in ("dcgan", "hdcgan", "s2") for hw in ((8, 64), (61, 8))),
    ],
)
def test_any_two_sides(name, hw):
    gen, disc, _ = _nets(name, hw, 1)
    assert probe.shapes(gen, (2, 5)) == (2, *hw, 1)
    assert probe.shapes(disc, (2, *hw, 1)).logit == (2,)


def _transposed(path, a, first):
    """A parameter of a net that is given and gives transposed images; first: its coarsest sides."""
    name = path[-1].key
    if a.ndim in (3, 4):  # of a convolution, or an image of parameters
        return a.swapaxes(0, 1)
    for axis in range(a.ndim) if name in ("kernel", "bias", "scale") else ():
        n, rest = divmod(a.shape[axis], math.prod(first))
        if not rest:
            parts = np.moveaxis(a, axis, 0).reshape(*first, n, *np.delete(a.shape, axis))
            return np.moveaxis(parts.swapaxes(0, 1).reshape(-1, *parts.shape[3:]), 0, axis)
    return a


@pytest.mark.long
@pytest.mark.parametrize(
    "name, first",
    [
        ("dcgan", (3, 5)),
        slowly("unrolled", (3, 5)),
        slowly("s1", (6, 10)),
        slowly("sngan", (6, 10)),
        slowly("resnet", (6, 10)),
        slowly("r3gan", (6, 10)),
    ],
)
def test_transposed_nets_see_and_make_transposed_images(name, first):
    """The same numbers along the other axis: no layer confuses height and width."""
    wide, high = (_nets(name, hw) for hw in SIZES)
    image, z = probe.noise(2, 24, 40, 2), probe.noise(2, 5)
    for i, x in enumerate((z, image)):
        variables = probe.variables(wide[i], x, seed=i)
        sides = first if i == 0 else _last_sides(name)
        move = functools.partial(_transposed, first=sides)
        other = jax.tree.map_with_path(move, variables)
        there = probe.run(wide[i], variables, x)
        here = probe.run(high[i], other, x if i == 0 else x.swapaxes(1, 2))
        a, b = (there, here.swapaxes(1, 2)) if i == 0 else (there.logit, here.logit)
        assert np.ptp(a) > 1e-3
        np.testing.assert_allclose(a, b, atol=2e-5 * max(1, np.abs(a).max()))


def _last_sides(name):
    """The sides of what D's heads are given, for 24 x 40; of sums over the image none."""
    return {"resnet": (10**6, 1), "sngan": (6, 10), "r3gan": (10**6, 1)}.get(name, (3, 5))


def _build(name, hw):
    module = colorize if name == "unet" else gan
    hp = dataclasses.replace(module.Settings(), width=4, z_dim=5, ema=0.9)
    hp = hp if name == "unet" else dataclasses.replace(hp, net=name)
    spec = base.DataSpec(hw, 3, ("a", "b"), (2, 2))
    module.check(hp, spec)
    return module.build(hp, spec, 10)


@pytest.mark.long
@pytest.mark.parametrize(
    "name, hw", [("dcgan", SIZES[0])] + [slowly(n, hw) for n in [*NETS, "unet"] for hw in SIZES]
)
def test_steps_on_one_device_and_two(name, hw):
    method = _build(name, hw)
    state = init_jitted(method, 0)
    r = np.random.default_rng(0)
    shape = n_minibatches(method), 4
    batch = {
        "image": r.uniform(-1, 1, (*shape, *hw, 3)).astype(np.float32),
        "label": r.integers(0, 2, shape).astype(np.int32),
    }
    step = jax.jit(build_step(method))
    one = step(step(state, batch)[0], batch)[0]
    for net in state.params:
        leaves = [jax.tree.leaves(s.params[net]) for s in (state, one)]
        pairs = zip(*leaves, strict=True)
        assert max(float(jnp.abs(a - b).max()) for a, b in pairs) > 0, net
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(one.params))
    if name not in ("dcgan", "r3gan"):
        return
    devices = jax.devices()[:2]
    many = parallel.pmapped(build_step(method, parallel.AXIS), devices)
    two = jax.tree.map(jnp.copy, jax.device_put(state, parallel.replicated(devices)))
    for _ in range(2):
        two = many(two, jax.device_put(batch, parallel.split(devices, 1)))[0]
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize(
    "name, hw, message",
    [
        ("distgan_mnist", "28x32", "--size=28x32: Dist-GAN's MNIST nets are for 28; use --size=28"),
        ("s1", "24x42", "--size=24x42 is not a multiple of 4, .*; use 24x40 or 24x44"),
        ("resnet", "24x42", "--size=24x42 .* multiple of that power.*; use 24x40 or 24x44"),
        ("r3gan", "26x40", "--size=26x40 .*; use 24x40 or 28x40"),
        ("sngan", "7x40", "--size=7x40 is too small .*; use 8 or more"),
    ],
)
def test_refusals(name, hw, message):
    with pytest.raises(InputError, match=message):
        families.TABLE[name].check(base.DataSpec(hw, 3))


def test_quarter_turns_are_refused():
    hp = gan.Settings(augment="flip,rotation:0.5")
    with pytest.raises(InputError, match="rotation turns .*24x40 .*use flip"):
        gan.check(hp, base.DataSpec("24x40", 3))
    gan.check(hp, base.DataSpec(24, 3))
    gan.check(dataclasses.replace(hp, augment="flip,ada"), base.DataSpec("24x40", 3))


def test_a_family_that_knows_one_side_is_refused():
    class Own(families.Family):
        def gen(self, hp, spec, weights):
            return _nets("mlp", spec.size)[0]

    with pytest.raises(InputError, match="--size=24x40 has two sides"):
        Own().gen(gan.Settings(), base.DataSpec("24x40", 1), None)
    assert methods.TABLE["gan"] is gan
