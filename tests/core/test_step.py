"""The step's own rules, on nets of one weight whose numbers can be worked out by hand."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.core import controls, parallel
from gan_jax.core.initialize import init
from gan_jax.core.method import (
    Method,
    Player,
    apply_net,
    make_context,
    minibatch_slots,
    n_minibatches,
)
from gan_jax.core.state import Vars
from gan_jax.core.step import build_step, update_averages
from gan_jax.methods.settings import BaseSettings
from gan_jax.training import program


class Weight(nn.Module):
    """x -> w x, w = 1 at first; with statistics: the running mean of its input."""

    axis: str | None = None

    @nn.compact
    def __call__(self, x, train):
        seen = self.variable("batch_stats", "seen", lambda: jnp.zeros(()))
        if train:
            seen.value = 0.5 * seen.value + 0.5 * x.mean()
        return self.param("w", nn.initializers.ones, ()) * x


def loss(net, slope=1.0):
    """slope * w * mean(x): its gradient is slope * mean(x)."""

    def of(ctx, vs, batch, key):
        out, vs = apply_net(ctx, vs, net, batch["image"])
        return slope * parallel.mean(ctx, out), (
            vs,
            {"key": jax.random.key_data(key)[1].astype(jnp.float32)},
        )

    return of


def method(*players, nets=("a", "b"), **options):
    return Method(
        nets={n: Weight() for n in nets},
        example_inputs={n: (jnp.zeros((1,)),) for n in nets},
        players=players,
        latent=None,
        sample=None,
        hp=None,
        steps=10,
        **{"ema": {}, **options},
    )


def player(name, net, lr=0.1, slope=1.0, **options):
    return Player(
        name,
        (net,) if isinstance(net, str) else net,
        loss(net if isinstance(net, str) else net[0], slope),
        optax.sgd(lr),
        **options,
    )


def run(m, images, n_steps=1):
    """State and metrics after steps on the same batch; images: [draws, B]."""
    step, state = jax.jit(build_step(m)), init(m, jax.random.key(0))
    for _ in range(n_steps):
        state, metrics = step(state, {"image": jnp.asarray(images, jnp.float32)})
    return state, metrics


def weight(state, net):
    return float(state.params[net]["w"])


def test_turns_repeats_and_minibatches():
    m = method(player("one", "a", repeats=3), player("two", "b"))
    assert minibatch_slots(m) == {"one": (0, 3), "two": (3, 1)} and n_minibatches(m) == 4
    state, metrics = run(m, [[1, 1], [2, 2], [4, 4], [10, 10]])
    assert weight(state, "a") == pytest.approx(1 - 0.1 * (1 + 2 + 4)) and weight(
        state, "b"
    ) == pytest.approx(1 - 0.1 * 10, abs=1e-6)
    losses = [1.0 * 1, 0.9 * 2, 0.7 * 4]
    assert float(metrics["one/loss"]) == pytest.approx(np.mean(losses))
    # Statistics: three calls of a, each halving the past.
    assert float(state.batch_stats["a"]["seen"]) == pytest.approx(
        ((0.5 * 1) * 0.5 + 0.5 * 2) * 0.5 + 0.5 * 4
    )


def test_players_that_share_a_draw_see_the_same_minibatch_and_key():
    m = method(
        player("one", "a", batch_group="both", repeats=2), player("two", "b", batch_group="both")
    )
    assert n_minibatches(m) == 2
    _, metrics = run(m, [[1, 1], [2, 2]])
    apart = run(method(player("one", "a"), player("two", "b")), [[1, 1], [2, 2]])[1]
    assert float(metrics["two/loss"]) == 1.0
    assert float(apart["one/key"]) != float(apart["two/key"])
    together = run(
        method(player("one", "a", batch_group="x"), player("two", "b", batch_group="x")), [[1, 1]]
    )[1]
    assert float(together["one/key"]) == float(together["two/key"])


def test_randomness_differs_between_steps_and_repeats():
    step, state = (
        jax.jit(build_step(m := method(player("one", "a")))),
        init(method(player("one", "a")), jax.random.key(0)),
    )
    keys = set()
    for _ in range(3):
        state, metrics = step(state, {"image": jnp.ones((n_minibatches(m), 2))})
        keys.add(float(metrics["one/key"]))
    assert len(keys) == 3


def test_wrong_number_of_minibatches_is_refused():
    with pytest.raises(ValueError, match="2 minibatches; a step of this method takes 1"):
        run(method(player("one", "a"), nets=("a",)), [[1, 1], [2, 2]])


def test_alternating_players_see_each_other_and_simultaneous_ones_do_not():
    def product(ctx, vs, batch, key):
        a, vs = apply_net(ctx, vs, "a", batch["image"])
        b, vs = apply_net(ctx, vs, "b", a)
        return parallel.mean(ctx, b), (vs, {})

    players = [Player(n, (n,), product, optax.sgd(0.5)) for n in ("a", "b")]
    state, _ = run(method(*players), [[1.0], [1.0]])
    assert (weight(state, "a"), weight(state, "b")) == (0.5, 0.75)  # b saw a = 0.5
    state, _ = run(method(*players, simultaneous=True), [[1.0], [1.0]])
    assert (weight(state, "a"), weight(state, "b")) == (0.5, 0.5)


def test_what_a_player_makes_is_computed_once_for_those_of_its_draw():
    made = []

    def makes(ctx, vs, batch, key):
        made.append(ctx)
        out, vs = apply_net(ctx, vs, "b", batch["image"])
        return (out, None), vs

    def product(ctx, vs, batch, key):
        (b, _), vs = (ctx.shared, vs) if ctx.shared else makes(ctx, vs, batch, key)
        a, vs = apply_net(ctx, vs, "a", b)
        return parallel.mean(ctx, a), (vs, {})

    def weights(draw, images, **options):
        made.clear()
        one = Player("one", ("a",), product, optax.sgd(0.5), batch_group=draw, **options)
        two = Player("two", ("b",), product, optax.sgd(0.5), batch_group=draw, shared_forward=makes)
        state, _ = run(method(one, two), images)
        return weight(state, "a"), weight(state, "b"), float(state.batch_stats["b"]["seen"])

    assert weights("both", [[1.0]]) == (0.5, 0.75, 0.5) and len(made) == 1
    assert weights(None, [[1.0], [1.0]]) == (0.5, 0.75, 0.5) and len(made) == 2
    # Two minibatches for one player: the other begins with the first of them.
    assert weights("both", [[1.0], [2.0]], repeats=2) == (-0.5, 1.25, 0.5) and len(made) > 1


def test_players_of_one_net_keep_their_own_optimizers():
    both = [Player(n, ("a",), loss("a"), optax.sgd(0.1, momentum=0.9)) for n in ("one", "two")]
    state, _ = run(method(*both), [[1.0], [100.0]])
    assert (
        float(state.opt_state["one"][0].trace["a"]["w"]) == 1
        and float(state.opt_state["two"][0].trace["a"]["w"]) == 100
    )
    with pytest.raises(ValueError, match="cannot share a net: a"):
        build_step(method(*both, simultaneous=True))
    with pytest.raises(ValueError, match="has not: c"):
        build_step(method(player("one", "c")))


def test_a_closed_gate_skips_a_player_and_averages_count_only_its_turns():
    gate = lambda ctx, vs, batch, key: batch["image"].mean() > 0
    m = method(player("one", "a", gate=gate), player("two", "b"))
    step, state = jax.jit(build_step(m)), init(m, jax.random.key(0))
    tally = {
        name: 0.0
        for name in (
            "one/loss",
            "one/grad_norm",
            "one/key",
            "one/ran",
            "two/loss",
            "two/grad_norm",
            "two/key",
            "two/ran",
        )
    }
    for x in (3.0, -3.0, 5.0):
        before = state
        state, metrics = step(state, {"image": jnp.full((2, 2), x)})
        tally = {name: tally[name] + float(metrics[name]) for name in tally}
        assert (weight(state, "a") == weight(before, "a")) == (x < 0)
        if x < 0:
            assert float(metrics["one/ran"]) == float(metrics["one/loss"]) == 0
            assert float(state.batch_stats["a"]["seen"]) == float(before.batch_stats["a"]["seen"])
    means = program.mean_metrics(m, tally | {"steps": 3.0})
    assert means["one/grad_norm"] == pytest.approx(4) and means["one/ran"] == pytest.approx(2 / 3)
    assert means["two/grad_norm"] == pytest.approx(11 / 3) and "two/ran" not in means
    silent = program.mean_metrics(m, {**tally, "one/ran": 0.0, "steps": 3.0})
    assert "one/loss" not in silent and silent["one/ran"] == 0


def test_the_first_non_finite_player_and_step_are_latched():
    def explode(ctx, vs, batch, key):
        value, aux = loss("b")(ctx, vs, batch, key)
        return jnp.where(ctx.progress >= 0.2, jnp.nan, 1.0) * value, aux

    m = method(player("one", "a"), Player("two", ("b",), explode, optax.sgd(0.1)))
    state, _ = run(m, [[1.0], [1.0]], 2)
    assert (int(state.bad_step), int(state.bad_player)) == (-1, -1)
    for simultaneous in (False, True):
        state, _ = run(m._replace(simultaneous=simultaneous), [[1.0], [1.0]], 5)
        assert (int(state.bad_step), int(state.bad_player)) == (2, 1)


def test_ema_covers_weights_and_statistics():
    m = method(player("one", "a"), ema={"a": 0.75}, nets=("a",))
    state, _ = run(m, [[2.0]], 2)
    w = [1, 0.8, 0.6]
    seen = [0, 1.0, 1.5]
    mixed = lambda v: 0.75 * (0.75 * v[0] + 0.25 * v[1]) + 0.25 * v[2]
    assert float(state.ema["a"].params["w"]) == pytest.approx(mixed(w))
    assert float(state.ema["a"].batch_stats["seen"]) == pytest.approx(mixed(seen))
    assert state.vars(ema=True).params["a"] is state.ema["a"].params and isinstance(
        state.vars(), Vars
    )


def averaged(nets, decay, warmup):
    """Averages of weights after each step; nets: float [steps + 1], the first untrained."""
    m = method(player("one", "a"), ema={"a": decay}, ema_warmup=warmup, nets=("a",))
    start = init(m, jax.random.key(0))

    def step(carry, net):
        now = start.replace(params={"a": {"w": net}}, ema=carry[0], step=carry[1])
        averages = update_averages(m, now, make_context(m))
        return (averages, carry[1] + 1), averages["a"].params["w"]

    first = {"a": Vars({"w": jnp.float32(nets[0])}, start.batch_stats["a"])}
    nets = jnp.asarray(nets[1:], jnp.float32)
    return np.asarray(jax.jit(lambda: jax.lax.scan(step, (first, jnp.int32(0)), nets)[1])())


def test_a_warmed_up_average_never_holds_the_untrained_net():
    """It is the mean with weights i (i + 1) ... (i + 7), and then the exponential one."""
    nets = np.random.default_rng(0).normal(size=61)
    got = averaged([1e4, *nets[1:]], 0.999, True)  # 1e4 would show
    i = np.arange(1.0, 61)
    weights = np.prod(i[:, None] + np.arange(8), 1)
    means = [np.average(nets[1 : n + 1], weights=weights[:n]) for n in range(1, 61)]
    np.testing.assert_allclose(got, means, atol=2e-3)  # 1e4 - 1e4 has an error of 5e-4
    np.testing.assert_allclose(averaged(nets, 0.999, True), means, atol=1e-6)
    below = averaged(nets, 0.75, True)  # 27 / (27 + 9): from there on the decay is constant
    np.testing.assert_allclose(below[:28], means[:28], atol=1e-6)
    np.testing.assert_allclose(below[40], 0.75 * below[39] + 0.25 * nets[41], atol=1e-6)
    assert np.abs(below[40] - means[40]) > 1e-3


def test_the_constant_average_keeps_a_part_of_the_untrained_net():
    got = averaged([1.0, *np.zeros(50)], 0.995, False)
    np.testing.assert_allclose(got, 0.995 ** np.arange(1, 51), rtol=1e-5)


@pytest.mark.parametrize("warmup", [True, False])
def test_the_slowest_average_reaches_a_weight_that_stays(warmup):
    """Its last steps are not rounded away: at 0.999999, 4 % of a weight would never be made up."""
    most = next(f for f in dataclasses.fields(BaseSettings) if f.name == "ema").metadata["high"]
    nets = [0.97, *np.ones(60_000)]
    assert abs(averaged(nets, most, warmup)[-1] - 1) < 1e-3
    assert abs(averaged(nets, 0.999999, False)[-1] - (1 - 0.03 * 0.999999**60_000)) > 1e-3


@pytest.mark.parametrize("warmup", [True, False])
def test_averages_stay_float32_where_jax_computes_in_float64(warmup):
    with jax.enable_x64(True):
        assert averaged([1.0, 2.0, 3.0], 0.9, warmup).dtype == np.float32


def test_control_adapts_what_losses_read():
    def scaled(ctx, vs, batch, key):
        value, aux = loss("a")(ctx, vs, batch, key)
        return ctx.controls["k"] * value, aux

    m = method(
        Player("one", ("a",), scaled, optax.sgd(0.1)),
        nets=("a",),
        controls={"k": 1.0},
        control=lambda controls, metrics, ctx: {"k": controls["k"] * 2},
    )
    state, _ = run(m, [[1.0]], 3)
    assert (
        weight(state, "a") == pytest.approx(1 - 0.1 * (1 + 2 + 4))
        and float(state.controls["k"]) == 8
    )


def recorder():
    """An optimizer whose state is the images that its last update was told of."""

    def update(updates, state, params=None, *, images, **_):
        return updates, images

    note = optax.GradientTransformationExtraArgs(lambda _: jnp.float32(-1), update)
    return optax.chain(note, optax.sgd(0.0))


def test_losses_and_optimizers_are_told_the_images_consumed():
    """Steps times the minibatch of all devices, not times the minibatches of a step."""
    m = method(
        player("one", "a", repeats=3)._replace(tx=recorder()),
        nets=("a",),
        controls={"seen": -1.0},
        control=lambda controls, metrics, ctx: {"seen": ctx.images},
    )
    state, _ = run(m, np.ones((3, 4)), 3)
    assert float(state.controls["seen"]) == 2 * 4 and float(state.opt_state["one"][0]) == 2 * 4
    devices = jax.devices()[:2]
    step = parallel.pmapped(build_step(m, parallel.AXIS), devices)
    state = jax.device_put(init(m, jax.random.key(0)), parallel.replicated(devices))
    for _ in range(3):
        batch = jax.device_put({"image": jnp.ones((3, 4))}, parallel.split(devices, 1))
        state, _ = step(state, batch)
    assert float(state.controls["seen"]) == 2 * 4 and float(state.opt_state["one"][0]) == 2 * 4


def test_controls_are_combined():
    """Each reads all values of before the step, and changes its own, whose dtypes stay."""
    one = controls.Control({"a": 1.0}, lambda c, metrics, ctx: {"a": c["a"] + c["b"]})
    two = controls.Control({"b": 10.0}, lambda c, metrics, ctx: {"b": c["a"] + metrics["one/loss"]})
    assert controls.combine([]) == {}
    with pytest.raises(ValueError, match="share names: a"):
        controls.combine([one, two, one])
    m = method(player("one", "a", lr=0.0), nets=("a",), **controls.combine([one, two]))
    state, _ = run(m, [[3.0]], 2)
    assert {k: float(v) for k, v in state.controls.items()} == {"a": 15.0, "b": 14.0}
    with jax.enable_x64(True):
        values = {"a": jnp.float32(1), "b": jnp.float32(2)}
        after = m.control(values, {"one/loss": jnp.float64(3)}, None)
    assert all(value.dtype == jnp.float32 for value in after.values())
