"""HDF5 files written by h5py: which array is read, in which axes, and in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from gan_jax.data import pixel_format
from tests.data import making

h5py = pytest.importorskip("h5py")
from gan_jax.data.formats import hdf5  # noqa: E402

RNG = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path):
    """A folder without the cache."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def load(root, size=16, **options):
    return making.load(f"folder:{root}", size, **options)


def values(data):
    """Images in the data's own units."""
    return data.images if data.format is None else pixel_format.in_units(data.stored, data.format)


def write(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name.replace("__", "/"), data=array)
    return path


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">i2", "f2", ">f4", "f8"])
def test_every_type(root, dtype):
    kind = np.dtype(dtype)
    array = (100 * RNG.random((5, 16, 16, 2))).astype(kind)
    write(root / "a.h5", images=array)
    data = load(root)
    assert np.array_equal(values(data), array.astype(np.float32 if kind.kind == "f" else kind))
    stored = {"u1": np.uint8, "i1": np.uint16, "<u2": np.uint16, ">i2": np.uint16}
    assert data.trained_on.dtype == stored.get(dtype, np.float32)


@pytest.mark.parametrize(
    "shape, axes",
    [
        ((3, 16, 24, 4), "NHWC"),
        ((3, 4, 16, 24), "NCHW"),
        ((3, 16, 24), "NHW"),
        ((16, 24, 3), "HWC"),
        ((16, 24), "HW"),
        ((3, 16, 24, 12), "NHWC"),
        ((3, 12, 16, 24), "NCHW"),
    ],
)
def test_axes(root, shape, axes):
    array = RNG.normal(size=shape).astype(np.float32)
    write(root / "a.hdf5", images=array)
    expected = np.expand_dims(array, [i for i, axis in enumerate("NHWC") if axis not in axes])
    expected = array.transpose(0, 2, 3, 1) if axes == "NCHW" else expected
    hw = "x".join(str(side) for side in expected.shape[1:3])
    assert np.array_equal(values(load(root, hw)), expected)


def test_images_as_in_galaxy10(root, capsys):
    images = making.pixels(40, 69, 69, 3)
    write(root / "Galaxy10.h5", images=images, ans=RNG.integers(0, 10, 40))
    data = load(root, 69)
    assert np.array_equal(data.images, images)
    assert data.format is None and data.labels is None
    assert np.array_equal(load(root / "Galaxy10.h5", 69).images, images)
    assert "40 images" in capsys.readouterr().out


def test_a_named_array_goes_before_the_largest(root, capsys):
    small, large = RNG.normal(size=(2, 16, 16)), RNG.normal(size=(9, 16, 16))
    write(root / "a.h5", group__Image=small, other=large, catalogue=RNG.normal(size=(500, 3)))
    assert len(load(root).images) == 2
    said = capsys.readouterr().out
    assert "Images are /group/Image [2, 16, 16]; not read: /other." in said
    write(root / "a.h5", first=small, other=large)
    assert np.array_equal(values(load(root))[..., 0], large.astype(np.float32))
    assert "Images are /other [9, 16, 16]; not read: /first." in capsys.readouterr().out


def test_units_and_class_folders(root):
    for i, name in enumerate("ab"):
        (root / name).mkdir()
        write(root / name / "1.h5", x=np.full((i + 1, 16, 16), i, np.float32))
        with h5py.File(root / name / "1.h5", "r+") as file:
            file["x"].attrs["units"] = "nJy"
    data = load(root)
    assert data.labels.tolist() == [0, 1, 1] and data.format.unit == "nJy"


def test_a_large_file_is_read_a_few_images_at_a_time(root, monkeypatch):
    monkeypatch.setattr(hdf5, "_BLOCK_BYTES", 2**18)
    n, side = 1000, 64  # 16 MB
    with h5py.File(root / "a.h5", "w") as file:
        array = file.create_dataset("x", (n, side, side), "f4", chunks=(7, side, side))
        for i in range(n):
            array[i] = i
    tracemalloc.start()
    data = load(root, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(data.stored[:, 3, 3, 0], np.arange(n)) and data.stored.shape[0] == n
    assert peak < n * side * side * 4 / 2


def damage(path, array):
    """Spoil the last compressed chunk of an array."""
    with h5py.File(path) as file:
        chunk = file[array].id.get_chunk_info(file[array].id.get_num_chunks() - 1)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\0" * chunk.size
    path.write_bytes(data)


def test_damage_within_a_file_leaves_it_out_whole(root, monkeypatch, capsys):
    monkeypatch.setattr(hdf5, "_BLOCK_BYTES", 2**11)
    arrays = [RNG.normal(size=(6, 16, 16)).astype(np.float32) for _ in range(3)]
    arrays[1][0, 0, 0] = np.nan
    for i, array in enumerate(arrays):
        with h5py.File(root / f"{i}.h5", "w") as file:
            file.create_dataset("x", data=array, chunks=(2, 16, 16), compression="gzip")
    damage(root / "1.h5", "x")
    making.refused("1.h5", "HDF5", "--skip_bad_images", spec=f"folder:{root}")
    data = load(root, skip_bad_images=True)
    assert np.array_equal(values(data)[..., 0], np.concatenate([arrays[0], arrays[2]]))
    said = capsys.readouterr()
    assert "1 of 3 images skipped" in said.err and "undefined" not in said.out


def test_what_is_refused(root):
    spec = f"folder:{root}"
    whole = write(root / "whole.h5", x=RNG.normal(size=(50, 16, 16))).read_bytes()
    (root / "whole.h5").unlink()
    (root / "cut.h5").write_bytes(whole[: len(whole) // 2])
    making.refused("cut.h5 cannot be read as HDF5", spec=spec)
    (root / "cut.h5").unlink()
    for arrays in ({"x": np.zeros((100, 3))}, {"x": np.zeros((3, 16, 16), complex)}, {}):
        write(root / "a.h5", **arrays)
        making.refused("a.h5 has no array that can be images", "[N, H, W]", spec=spec)
    write(root / "a.h5", x=np.zeros((2, 16, 16)))
    making.refused("a.h5 is 16x16 pixels, too small", spec=spec, size=32)


def test_other_files_are_not_read(root, tmp_path):
    """An array may name any file of the machine as the place of its numbers."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(range(256)))
    write(tmp_path / "other.h5", x=np.zeros((16, 16)))
    with h5py.File(root / "a.h5", "w") as file:
        file.create_dataset("x", (16, 16), "u1", external=[(str(secret), 0, 256)])
    making.refused("a.h5 keeps /x in other files", spec=f"folder:{root}")
    with h5py.File(root / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
        file["y"] = h5py.SoftLink("/z")
    making.refused("a.h5 has no array that can be images", spec=f"folder:{root}")
    with h5py.File(root / "a.h5", "w") as file:
        layout = h5py.VirtualLayout((16, 16), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (16, 16))
        file.create_virtual_dataset("x", layout)
    making.refused("a.h5 keeps /x in other files", spec=f"folder:{root}")
