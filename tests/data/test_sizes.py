"""Every data source at --size=HxW: what is cut out, what is said, what is refused."""

import numpy as np
import pytest

from gan_jax.data import data_check, data_report, datasets, galaxies
from gan_jax.data.datasets import DataOptions
from gan_jax.errors import InputError
from gan_jax.settings import Size
from tests.data import making


def test_options_of_a_square_are_those_of_its_side():
    assert DataOptions("32x32", 40) == DataOptions(32, crop=40) and DataOptions((8, 8)).size == 8
    with pytest.raises(InputError, match="--size=24x40 has two sides"):
        DataOptions("24x40").size  # noqa: B018


def test_galaxies_are_the_middle_of_square_ones():
    whole, labels = galaxies.render(3, np.arange(4), 40)
    for hw in (Size(24, 40), Size(40, 24)):
        images, same = galaxies.render(3, np.arange(4), hw)
        top, left = (40 - hw.height) // 2, (40 - hw.width) // 2
        assert np.array_equal(images, whole[:, top : top + hw.height, left : left + hw.width])
        assert np.array_equal(labels, same)
    loaded = datasets.load("galaxies:5", DataOptions("24x40"))
    assert loaded.images.shape == (5, 24, 40, 3)
    assert np.array_equal(
        loaded.images, galaxies.render(galaxies.SEEDS["train"], np.arange(5), Size(24, 40))[0]
    )


def test_folders_are_cut_to_the_shape(tmp_path):
    pictures = making.pixels(3, 30, 90, 3)
    for i, picture in enumerate(pictures):
        making.write_image(tmp_path / "set" / f"{i}.png", picture)
    spec = f"folder:{tmp_path}/set"
    loaded = datasets.load(spec, DataOptions("30x50"))
    assert np.array_equal(loaded.images, pictures[:, :, 20:70])
    assert datasets.load(spec, DataOptions("24x40")).images.shape == (3, 24, 40, 3)
    splits = data_check.inspect(spec, DataOptions("24x40"))
    assert splits["train"].digest == datasets.load(spec, DataOptions("24x40")).digest
    text = data_report.format_report(spec, splits["train"], None)
    assert "3 of 24x40 pixels, colour, from the largest centre rectangle of that shape" in text
    assert data_check.open_inspected(spec, splits, "train").images.shape == (3, 24, 40, 3)
    making.refused("too small for size 40x24", "--size=30x18 or less", spec=spec, size="40x24")
    making.refused("cropped to 30 pixels", "--size=18x30", spec=spec, size="24x40", crop=30)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_arrays_of_any_channels(tmp_path, channels):
    images = making.pixels(6, 24, 40, channels)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(6) % 2)
    loaded = datasets.load(f"npz:{tmp_path}/set.npz", DataOptions("24x40"))
    assert np.array_equal(loaded.images, images)
    inner = datasets.load(f"shard:1/2/1:npz:{tmp_path}/set.npz", DataOptions("12x20"))
    assert inner.images.shape == (3, 12, 20, channels)
    if channels == 1:
        stacks = datasets.load(f"stacked:npz:{tmp_path}/set.npz", DataOptions("24x40"))
        assert stacks.images.shape[1:] == (24, 40, 3)
