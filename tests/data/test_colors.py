"""Gray and colour converted to one kind, the same for files and arrays."""

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import colors
from tests.data import making


def test_arrays_are_converted_as_pillow_converts_files():
    images = making.pixels(colors._BLOCK + 5, 8, 8, 3)
    gray = colors.convert(images, "gray", "x")
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in images]
    assert gray.dtype == np.uint8 and np.array_equal(gray[..., 0], expected)
    rgb = colors.convert(gray, "rgb", "x")
    assert rgb.shape == images.shape and (rgb == gray).all()
    assert colors.convert(images, "auto", "x") is colors.convert(images, "rgb", "x") is images


@pytest.mark.parametrize("choice", ["rgb", "gray"])
def test_a_mixed_folder_becomes_of_one_kind(tmp_path, choice):
    """The advice of its refusal; what --check_data says is what is loaded."""
    making.write_image(tmp_path / "set" / "a.png", making.pixels(16, 16, 3))
    making.write_image(tmp_path / "set" / "b.png", making.pixels(16, 16))
    spec = f"folder:{tmp_path}/set"
    making.refused("is gray", f"--colors={choice}", spec=spec, skip_bad_images=True)
    loaded = making.load(spec, colors=choice)
    assert loaded.images.shape == (2, 16, 16, colors.CHANNELS[choice])
    report, train, _ = making.inspect(spec, colors=choice)
    assert train.refusal is None and train.digest == loaded.digest
    assert f"converted by --colors={choice}" in report and "among" not in report


def test_every_source_is_converted(tmp_path):
    np.savez(tmp_path / "gray.npz", images=making.pixels(3, 16, 16))
    np.savez(tmp_path / "four.npz", images=making.pixels(3, 16, 16, 4))
    assert making.load(f"npz:{tmp_path}/gray.npz", colors="rgb").images.shape == (3, 16, 16, 3)
    assert making.load("galaxies:3", colors="gray").images.shape == (3, 16, 16, 1)
    assert making.load("shard:1/2/0:galaxies:4", colors="gray").images.shape == (2, 16, 16, 1)
    making.refused("4; leave it out", spec=f"npz:{tmp_path}/four.npz", colors="gray")
    making.refused("points", spec="toys:plus", colors="gray")
