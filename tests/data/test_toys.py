"""Toy distributions: where their points lie, and their way to a net and back."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import errors, images
from gan_jax.commands import process, train
from gan_jax.data import data_check, datasets, loader, shuffling, toys
from tests.data import making

N_MODES = {
    "gaussians8": 8,
    "gaussians25": 25,
    "square": 25,
    "plus": 13,
    "sine": 12,
    "gaussian1d": 0,
    "swissroll": 0,
}


@pytest.mark.long
@pytest.mark.parametrize("name", toys.TABLE)
def test_points_of_both_splits(name):
    toy, (train, test) = toys.TABLE[name], making.load_both(f"toys:{name}", 64)
    for split, n in ((train, 50_000), (test, 10_000)):
        n -= n % max(N_MODES[name], 1)
        assert split.images.shape == (n, 1, 1, toy.dim)
        assert split.images.dtype == np.float32 and split.points
        assert 0.85 < np.abs(split.images).max() <= 1
        assert split.classes == toy.classes and len(split.classes) == N_MODES[name]
        assert (split.labels is None) == (not N_MODES[name])
    assert toys.toy_from_spec(train.name) is toy
    trained = set(map(tuple, train.images.reshape(-1, toy.dim).tolist()))
    n_shared = sum(tuple(x) in trained for x in test.images.reshape(-1, toy.dim).tolist())
    assert n_shared < 0.01 * len(test.images)


@pytest.mark.parametrize("name", [name for name, n in N_MODES.items() if n])
def test_modes_are_equal_round_gaussians_at_their_centres(name):
    toy, data = toys.TABLE[name], making.load(f"toys:{name}", 64)
    points = data.images.reshape(-1, 2).astype(np.float64) * toy.scale
    n = len(points) // len(toy.centers)
    for mode, center in enumerate(toy.centers):
        mine = points[data.labels == mode] - center
        assert len(mine) == n
        np.testing.assert_allclose(mine.mean(0), 0, atol=5 * toy.sd / np.sqrt(n))
        covariance, atol = toy.sd**2 * np.eye(2), 7 * toy.sd**2 / np.sqrt(n)
        np.testing.assert_allclose(np.cov(mine.T), covariance, atol=atol)
    assert len(set(data.labels[: len(toy.centers)])) == len(toy.centers)  # any stretch is balanced


def test_centres_and_names():
    classes = toys.TABLE["gaussians25"].classes
    assert classes[:2] == ("(-4,-4)", "(-4,-2)") and "(0,0)" in classes
    assert toys.TABLE["gaussians8"].classes[:3] == ("(2,0)", "(1.414,1.414)", "(0,2)")
    np.testing.assert_allclose(np.linalg.norm(toys.TABLE["gaussians8"].centers, axis=1), 2)
    plus, sine = (set(map(tuple, toys.TABLE[name].centers.tolist())) for name in ("plus", "sine"))
    assert {(0, 3), (-3, 0), (0, 0), (1, 0)} < plus and (1, 1) not in plus
    assert {(-1.866, 0.5), (2, 0), (0.134, -0.5), (0, 0)} < sine


def test_single_gaussian_and_swiss_roll():
    x = making.load("toys:gaussian1d", 64).images.astype(np.float64).ravel()
    x *= toys.TABLE["gaussian1d"].scale
    assert x.mean() == pytest.approx(4, abs=0.02) and x.std() == pytest.approx(1, abs=0.02)
    toy = toys.TABLE["swissroll"]
    roll = making.load("toys:swissroll", 64).images.reshape(-1, 2).astype(np.float64)
    x, y = (roll * toy.scale).T
    # Whole numbers on the spiral of radius = angle.
    turns = (np.hypot(x, y) - np.arctan2(y, x)) / (2 * np.pi)
    off = (turns - turns.round()) * 2 * np.pi
    assert off.std() == pytest.approx(toy.sd, rel=0.05) and set(turns.round()) == {1, 2}


def test_size_means_nothing_and_the_points_are_the_same_every_time():
    first = making.load("toys:plus", 64)
    for size in (1, 8, 2000):
        again = making.load("toys:plus", size)
        assert again.digest == first.digest
        np.testing.assert_array_equal(again.images, first.images)
    grids = {making.load(f"toys:{name}", 64).digest for name in ("square", "gaussians25")}
    assert len(grids) == 1 and first.digest not in grids
    heldout = datasets.load_heldout(first, datasets.DataOptions(64))
    assert heldout.digest != first.digest and heldout.classes == first.classes


def test_refusals():
    making.refused("toys:heart", "toys:gaussian1d, toys:gaussians8", spec="toys:heart")
    making.refused("toys:NAME", spec="toys")
    making.refused("--crop=4", "--crop=0", spec="toys:plus", crop=4)
    making.refused("--labels=x", spec="toys:plus", labels="x")
    with pytest.raises(errors.InputError, match="galaxies names no toy"):
        toys.toy_from_spec("galaxies")


def test_floats_are_refused_where_images_are_due(monkeypatch):
    monkeypatch.setattr(
        "gan_jax.data.galaxies.load", lambda *_: (np.zeros((4, 1, 1, 2), np.float32), None, ())
    )
    making.refused("float32 [4, 1, 1, 2]", "images must be uint8 [N, 16, 16, C]", spec="galaxies")
    monkeypatch.setattr(
        "gan_jax.data.toys.load", lambda *_: (np.zeros((4, 16, 16, 2), np.uint8), None, ())
    )
    making.refused("uint8 [4, 16, 16, 2]", "points must be float32 [N, 1, 1, C]", spec="toys:plus")


@pytest.mark.parametrize("pixels, low", [("tanh", -1), ("linear", -1), ("sigmoid", 0)])
def test_points_on_their_way_to_a_net_and_back(pixels, low):
    ends = np.array([-1, 0, 1], np.float32)
    np.testing.assert_array_equal(images.to_net(ends, pixels), [low, (low + 1) / 2, 1])
    points = making.load("toys:sine", 64).images
    for to_net in (images.to_net, jax.jit(images.to_net, static_argnums=1)):
        there = to_net(points, pixels)
        back = images.from_net(there, pixels, points=True)
        assert there.dtype == back.dtype == np.float32
        np.testing.assert_allclose(back, points, atol=1e-7)
    np.testing.assert_array_equal(images.from_net(jnp.float32([3.0]), "linear", points=True), [3.0])


def test_images_go_as_before_and_never_linearly():
    levels = np.arange(256, dtype=np.uint8)
    for pixels in ("tanh", "sigmoid"):
        there = images.to_net(levels, pixels)
        np.testing.assert_array_equal(there, images.to_float(levels, pixels))
        np.testing.assert_array_equal(images.from_net(there, pixels, points=False), levels)
    for refused in (
        lambda: images.to_net(levels, "linear"),
        lambda: images.from_net(levels / 1.0, "linear", points=False),
    ):
        with pytest.raises(
            errors.InputError, match="linear is for points only; use one of tanh, sigmoid"
        ):
            refused()
    with pytest.raises(
        errors.InputError, match="relu is unknown; use one of tanh, sigmoid, linear"
    ):
        images.to_net(np.zeros(1, np.float32), "relu")


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("pixels", ["tanh", "sigmoid", "linear"])
def test_feed_delivers_points(pixels, resident):
    data = making.load("toys:plus", 64)
    stream = loader.build_loader(data, pixels, 5, 3, 4, jax.devices()[:1], resident)
    leaves = stream.inputs(7, 2)
    for i in range(2):
        batch = stream.make_batch(stream.device_data, jax.tree.map(lambda x, i=i: x[i], leaves))
        rows = shuffling.row_indices(5, 7 + i, 3, 4, len(data.images))
        assert batch["image"].shape == (3, 4, 1, 1, 2) and batch["image"].dtype == jnp.float32
        wanted = (data.images[rows] + 1) / 2 if pixels == "sigmoid" else data.images[rows]
        np.testing.assert_allclose(batch["image"], wanted, atol=1e-7)
        np.testing.assert_array_equal(batch["label"], data.labels[rows])


@pytest.mark.long
def test_survey_of_points():
    report, train, test = making.inspect("toys:gaussian1d", 64)
    for line in (
        "  points        50,000\n",
        "  coordinates   mean 0.444, standard deviation 0.111 (-1 to 1)\n",
        "  usable        50,000 in 1 dimension\n",
    ):
        assert line in report, report
    for word in ("duplicates", "also in train", "pixels", "images"):
        assert word not in report
    splits = {"train": train, "test": test}
    open_split = functools.partial(data_check.open_inspected, "toys:gaussian1d", splits)
    promised = open_split("train")
    loaded = making.load("toys:gaussian1d", 64)
    assert promised.points and promised.images.shape == loaded.images.shape
    assert promised.digest == loaded.digest
    assert datasets.open_heldout(promised, open_split).points


def test_check_data_accepts_points(capsys):
    argv = ["--data=toys:gaussians25", "--net=mlp", "--pixels=linear", "--check_data"]
    assert process.guarded(lambda words: train.run("dcgan", words), argv) == process.EXIT_DONE
    assert "training would accept this command" in capsys.readouterr().out
