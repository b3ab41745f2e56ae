"""Every method on images of 16 x 24 pixels: traced, not compiled. Its numbers: tests of nets."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from gan_jax import methods
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import make_context, n_minibatches
from gan_jax.core.state import Vars
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.settings import Size
from tests import methods_small
from tests.tiers import slowly

HW = Size(16, 24)
TURNED = "gan_spectral"  # by quarters, which is refused
QUICK = ("gan_ada", "acgan", "infogan", "mgan_once", "colorize", "morpho")


@pytest.mark.parametrize(
    "case", [c if c in QUICK else slowly(c) for c in methods_small.CASES if c != TURNED]
)
def test_steps_keep_the_shapes_of_the_state(case):
    spec = methods_small.shape(case)._replace(hw=HW)
    method = methods_small.build(case, spec=spec)
    state, n = state_shapes(method), n_minibatches(method)
    batch = {
        "image": jax.ShapeDtypeStruct((n, 8, *HW, spec.colors), jnp.float32),
        "label": jax.ShapeDtypeStruct((n, 8), jnp.int32),
        "quantities": jax.ShapeDtypeStruct((n, 8, 2), jnp.float32),
    }
    after, _ = jax.eval_shape(build_step(method), state, batch)
    shapes = [jax.tree.map(lambda leaf: leaf.shape, s) for s in (state, after)]
    assert jax.tree.leaves(shapes[0]) == jax.tree.leaves(shapes[1])
    ctx, key = make_context(method), jax.eval_shape(lambda: jax.random.key(0))
    z, condition = jax.eval_shape(lambda key: method.latent(ctx, key, 4), key)
    if method.conditioning.needs_images:
        condition = jax.ShapeDtypeStruct((4, *HW, spec.colors), jnp.float32)
    vs = Vars(state.params, state.batch_stats)
    images = jax.eval_shape(lambda *a: method.sample(ctx, *a), vs, z, condition, key)
    assert images.shape == (4, *HW, spec.colors)


def test_turns_are_refused():
    name, options = methods_small.CASES[TURNED]
    module, spec = methods.TABLE[name], methods_small.SHAPE
    hp = dataclasses.replace(module.Settings(), **options)
    module.check(hp, spec)
    with pytest.raises(InputError, match="rotation turns images by quarters"):
        module.check(hp, spec._replace(hw=HW))
