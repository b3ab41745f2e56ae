"""What all methods share: who moves in a step, when penalties count, precision, refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import methods
from gan_jax.core import parallel
from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.method import StepContext, apply_net, make_context, n_minibatches
from gan_jax.core.step import build_step
from gan_jax.errors import InputError
from gan_jax.methods import base, gan
from tests import methods_small, tiers
from tests.methods_small import one_batch
from tests.tiers import slowly

KEY = jax.random.key(3)
R = np.random.default_rng(5)


def points_gan(**options):
    hp = gan.Settings(
        net="mlp", width=8, depth=1, z_dim=2, pixels="linear", lr=3e-2, ema=0.0, **options
    )
    return gan.build(hp, base.DataSpec(1, 2), 500)


@pytest.mark.long
def test_balance_over_500_steps():
    """S1's rule: in every step just the player with the larger loss moves, by the losses of that
    step (D19).
    """
    method = points_gan(balance=True)
    step, ctx = build_step(method), make_context(method)
    data = R.normal(size=(500, n_minibatches(method), 16, 1, 1, 2)).astype(np.float32)
    losses = {p.name: p.loss for p in method.players}

    def one(state, image):
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), 0)
        before = [
            losses[p](ctx, state.vars(), {"image": image[0]}, key)[0] for p in ("disc", "gen")
        ]
        after, metrics = step(state, {"image": image})
        moved = [jnp.any(a != b) for n in ("disc", "gen")
                 for a, b in [[jax.flatten_util.ravel_pytree(s.params[n])[0]
                               for s in (state, after)]]]  # fmt: skip
        return after, (
            jnp.stack(before),
            jnp.stack([metrics["disc/ran"], metrics["gen/ran"]]),
            jnp.stack(moved),
        )

    _, (before, ran, moved) = jax.jit(lambda s, d: jax.lax.scan(one, s, d))(
        init_jitted(method, 0), data
    )
    before, ran = np.asarray(before), np.asarray(ran)
    clear = np.abs(before[:, 0] - before[:, 1]) > 1e-5
    assert clear.sum() > 490
    np.testing.assert_array_equal(ran[clear, 0], before[clear, 0] > before[clear, 1])
    np.testing.assert_array_equal(ran[clear].sum(1), 1)
    np.testing.assert_array_equal(ran == 1, moved)
    assert 0 < ran[:, 0].sum() < 500 and 0 < ran[:, 1].sum() < 500


@pytest.mark.long
def test_balance_hides_no_divergence():
    """A loss that is not a number compares with nothing; the players run, so that the step is seen
    to be bad.
    """
    method = points_gan(balance=True)
    image = jnp.full((n_minibatches(method), 16, 1, 1, 2), jnp.nan)
    state, metrics = jax.jit(build_step(method))(init_jitted(method, 0), {"image": image})
    assert state.bad_step == 0 and metrics["disc/ran"] == 1


@pytest.mark.long
def test_lazy_penalty():
    """Every third step, with three times the weight; none between."""
    method = points_gan(penalty="r1", penalty_every=3, lambda_p=2.0)
    vs, batch = (
        init_jitted(method, 0).vars(),
        {"image": jnp.asarray(R.normal(size=(8, 1, 1, 2)), jnp.float32)},
    )

    def value(step, **options):
        ctx = make_context(method, step=jnp.int32(step))
        return gan.disc_loss(
            ctx._replace(hp=dataclasses.replace(method.hp, **options)), vs, batch, KEY
        )

    (plain, _), (every, (_, each)) = value(0, penalty="none"), value(0, penalty_every=1)
    np.testing.assert_allclose(every - plain, 2 * each["penalty"], rtol=1e-4)
    np.testing.assert_allclose(value(0)[0] - plain, 6 * each["penalty"], rtol=1e-4)
    np.testing.assert_allclose([value(1)[0], value(2)[0]], [plain, plain], rtol=1e-6)
    assert value(1)[1][1]["penalty"] == 0 and each["penalty"] > 0


def built(case, **options):
    """The method of a case with the optimizers of its settings."""
    name, of_case = methods_small.CASES[case]
    hp = dataclasses.replace(
        methods.TABLE[name].Settings(), **{**methods_small.SMALL, **of_case, **options}
    )
    return methods.TABLE[name].build(hp, methods_small.shape(case), 10)


def equations(jaxpr):
    """Equations of a jaxpr and of those inside it."""
    for eqn in jaxpr.eqns:
        yield eqn
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from equations(inner)


@pytest.mark.long
@pytest.mark.parametrize(
    "case", tiers.cases(methods_small.CASES, ("gan_ada", "acgan", "mgan", "morpho"))
)
def test_bfloat16_is_for_nets_alone(case):
    """All convolutions compute in it, those of a penalty's derivative too; state and metrics are
    float32. By tracing alone.
    """
    method = built(case, precision="bfloat16")
    batch = methods_small.batch(n_minibatches(method), 8, colors=methods_small.colors(method))
    program, (end, metrics) = jax.make_jaxpr(build_step(method), return_shape=True)(
        state_shapes(method), batch
    )
    assert jax.tree.map(lambda a: a.dtype, end) == jax.tree.map(
        lambda a: a.dtype, state_shapes(method)
    )
    assert {m.dtype for m in metrics.values()} == {jnp.dtype(jnp.float32)}
    inside = [e for e in equations(program.jaxpr) if e.primitive.name == "conv_general_dilated"]
    assert {v.aval.dtype for e in inside for v in (*e.invars, *e.outvars)} <= {
        jnp.dtype(jnp.bfloat16)
    }


LONG = ("mgan", "acgan", "infogan", "colorize", "morpho", "gan_spectral")


@pytest.mark.long
@pytest.mark.parametrize("case", ["gan", *map(slowly, LONG)])
def test_bfloat16_nets(case):
    """Nets compute in bfloat16; parameters, statistics, losses and optimizer state stay float32;
    numbers stay near.
    """
    full, half = (built(case, precision=p) for p in ("float32", "bfloat16"))
    state, batch = init_jitted(full, 0), one_batch(full)
    out, _ = apply_net(
        make_context(half), state.vars(), "disc", *half.example_inputs["disc"], key=KEY
    )
    assert out.logit.dtype == out.features.dtype == jnp.float32
    assert np.array_equal(out.features, out.features.astype(jnp.bfloat16).astype(jnp.float32))
    steps = [
        jax.jit(build_step(m))(
            state, jax.tree.map(lambda a, m=m: jnp.stack([a] * n_minibatches(m)), batch)
        )
        for m in (full, half)
    ]
    (end, exact), (rounded, near) = steps
    assert jax.tree.map(jnp.result_type, end) == jax.tree.map(jnp.result_type, rounded)
    for key in exact:
        if key.endswith("/loss"):
            np.testing.assert_allclose(near[key], exact[key], rtol=0.1, atol=0.05, err_msg=key)


REFUSED = [  # settings, shape, words of the refusal
    ("gan", {}, base.DataSpec(1, 2), "--net=mlp"),
    ("gan", {"net": "mlp", "augment": "flip"}, base.DataSpec(1, 2), "--augment"),
    ("gan", {"pixels": "linear"}, base.DataSpec(16, 1), "--pixels=linear"),
    ("gan", {"penalty_every": 4}, base.DataSpec(16, 1), "needs a penalty; add --penalty=r1"),
    ("gan", {"penalty": "r1", "penalty_norm": "batch"}, base.DataSpec(16, 1), "D04"),
    ("gan", {"loss": "wasserstein"}, base.DataSpec(16, 1), "Lipschitz"),
    ("gan", {"net": "maxout_cgan"}, base.DataSpec(16, 1), "--condition=labels"),
    ("gan", {"condition": "labels"}, base.DataSpec(16, 1), "classes"),
    ("gan", {"condition": "attributes"}, base.DataSpec(16, 1, ("cat", "dog")), "cat, dog"),
    (
        "gan",
        {"condition": "labels", "cond_gen": "batchnorm", "gen_norm": "none"},
        methods_small.SHAPE,
        "BatchNorm",
    ),
    (
        "gan",
        {"condition": "labels", "cond_gen": "batchnorm", "net": "r3gan"},
        methods_small.SHAPE,
        "BatchNorm",
    ),
    ("acgan", {"cond_gen": "own"}, methods_small.SHAPE, "by themselves, such as r3gan"),
    ("gan", {"condition": "labels", "cond_disc": "own"}, methods_small.SHAPE, "--cond_disc=concat"),
    ("gan", {"net": "r3gan", "spectral": "both"}, base.DataSpec(16, 1), "--spectral=none"),
    (
        "distgan",
        {"recon_space": "bce", "pixels": "sigmoid", "net": "r3gan"},
        base.DataSpec(16, 3),
        "mean_pixels",
    ),
    ("gan", {"augment": "shear"}, base.DataSpec(16, 1), "shear"),
    ("acgan", {}, base.DataSpec(16, 1), "classes"),
    ("mgan", {"net": "s1"}, base.DataSpec(16, 1), "mixture"),
    ("mgan", {"penalty": "wgan_gp"}, base.DataSpec(16, 1), "wgan_gp"),
    ("colorize", {}, base.DataSpec(16, 1), "colour"),
    ("colorize", {"augment": "flip"}, base.DataSpec(16, 3), "--augment"),
    ("distgan", {"recon_space": "bce", "pixels": "tanh"}, base.DataSpec(16, 3), "sigmoid"),
]


@pytest.mark.parametrize(("method", "options", "shape", "words"), REFUSED)
def test_refused_combinations(method, options, shape, words):
    module = methods.TABLE[method]
    with pytest.raises(InputError, match=words) as refusal:
        module.check(dataclasses.replace(module.Settings(), **options), shape)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("method", methods.TABLE)
def test_defaults_are_accepted(method):
    module, shape = methods.TABLE[method], base.DataSpec(32, 3, ("a", "b"), (5, 5))
    module.check(module.Settings(), shape)


def test_share_of_rows():
    ctx = StepContext({}, None, {}, axis=parallel.AXIS)
    step = parallel.pmapped(
        lambda state, x: state + parallel.rows_per_device(ctx, 12), jax.devices()[:4], batch_axis=0
    )
    assert step(jnp.zeros(1), jnp.zeros(4))[0] == 3
    assert parallel.rows_per_device(StepContext({}, None, {}), 12) == 12
