"""--patches: image files cut into a grid, against slices of numpy."""

import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from gan_jax import config, settings
from gan_jax.data import formats, pixel_format, resize, scientific_cache, scientific_files
from gan_jax.data.data_check import inspect, open_inspected
from gan_jax.data.types import DataOptions
from tests.data import making

RNG = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path):
    """A folder without the cache."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def load(root, size=16, patches=16, **options):
    return making.load(f"folder:{root}", size, patches=patches, **options)


def values(data):
    """Images in the data's own units."""
    return data.images if data.format is None else pixel_format.in_units(data.stored, data.format)


@pytest.mark.parametrize("height, width", [(16, 16), (17, 40), (64, 16), (100, 71)])
@pytest.mark.parametrize("hw, side", [((8, 8), 16), ((16, 16), 16), ((8, 12), 15), ((9, 9), 9)])
@pytest.mark.parametrize("crop", [0, 16])
def test_patches_cover_all_and_overlap_by_half(height, width, hw, side, crop):
    boxes = resize.boxes(height, width, settings.Size(*hw), crop, side)
    seen = np.zeros((height, width), int)
    for top, left, h, w in boxes:
        assert (h, w) == resize.fit(side, side, settings.Size(*hw))
        assert 0 <= top <= height - h and 0 <= left <= width - w
        seen[top : top + h, left : left + w] += 1
    if crop:
        top, left = (height - crop) // 2, (width - crop) // 2
        assert seen[top : top + crop, left : left + crop].all()
        assert seen.astype(bool).sum() == crop**2
    else:
        assert seen.all()
    assert len(set(boxes)) == len(boxes)
    for axis in (0, 1):
        starts = sorted({box[axis] for box in boxes})
        assert all(np.diff(starts) <= boxes[0][2 + axis] // 2)


def cut(image, side, step):
    """Patches [n, side, side, C] of sides that a whole number of steps fits."""
    height, width = image.shape[:2]
    return np.stack(
        [
            image[top : top + side, left : left + side]
            for top in range(0, height - side + 1, step)
            for left in range(0, width - side + 1, step)
        ]
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_of_pictures_are_slices(root, channels):
    images = [making.pixels(32, 48, channels, seed=0), making.pixels(16, 24, channels, seed=1)]
    for i, image in enumerate(images):
        making.write_image(root / f"{i}.png", image)
    data = load(root)
    assert data.format is None and data.labels is None
    assert np.array_equal(data.images, np.concatenate([cut(image, 16, 8) for image in images]))
    half = load(root, 8)
    expected = [
        np.asarray(making.as_picture(p).resize((8, 8), Image.Resampling.LANCZOS)).reshape(8, 8, -1)
        for p in data.images
    ]
    assert np.array_equal(half.images, expected)


@pytest.mark.parametrize("kind", ["npy", "h5", "fits"])
def test_patches_of_scientific_files_are_slices(root, kind):
    cube = RNG.normal(size=(5, 32, 40, 2)).astype(np.float32)
    write(root / f"a.{kind}", cube)
    expected = np.concatenate([cut(image, 16, 8) for image in cube])
    assert np.array_equal(values(load(root)), expected)
    data = load(root, "8x16")
    tops, lefts = range(0, 25, 4), range(0, 25, 8)  # half a side apart, of 8x16
    expected = [x[t : t + 8, l : l + 16] for x in cube for t in tops for l in lefts]
    assert np.array_equal(values(data), expected)


def write(path, cube):
    """Write images [N, H, W, C] in the format that the name of a file says."""
    if path.suffix == ".npy":
        np.save(path, cube)
    elif path.suffix == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["images"] = cube
    else:
        fits = pytest.importorskip("astropy.io.fits")
        bands = cube.transpose(0, 3, 1, 2)
        if len(cube) == 1:  # each band an extension
            hdus = [fits.ImageHDU(band, name=f"SCI{i}") for i, band in enumerate(bands[0])]
            fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
        else:
            fits.PrimaryHDU(bands).writeto(path)


@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.fits"])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("large", [1, 16_000, 30_000])
def test_large_images_read_in_strips_give_the_same_patches(root, name, n, large, monkeypatch):
    cube = RNG.integers(-900, 900, size=(n, 121, 40, 2)).astype(np.int16)
    write(root / name, cube)
    whole = load(root, labels="position")
    monkeypatch.setattr(scientific_files, "LARGE", large)
    contents = formats.describe(root / name, formats.find(root / name))
    strips = scientific_files.strips(contents, DataOptions(16, patches=16))
    assert bool(strips) == (large < 30_000)
    if large == 16_000:  # several rows of patches a strip
        assert len(strips) == 8 and len(strips[0].boxes) == 8
    write(root / f"b{name[1:]}", cube)  # another folder of files, so that it is read anew
    (root / name).unlink()
    parts = load(root, labels="position")
    assert np.array_equal(parts.stored, whole.stored) and parts.format == whole.format
    assert np.array_equal(parts.values, whole.values)


def test_strips_with_undefined_and_saturated_values(root, monkeypatch, capsys):
    monkeypatch.setattr(scientific_files, "LARGE", 1)
    fits = pytest.importorskip("astropy.io.fits")
    image = RNG.normal(size=(64, 16)).astype(np.float32)
    image[:20] = np.nan  # of the first strip all, of the second some
    image[40, 3] = np.nan
    image[50:52] = 99
    fits.PrimaryHDU(image, fits.Header({"SATURATE": 90.0})).writeto(root / "a.fits")
    data = load(root)
    notes = capsys.readouterr().out
    assert "no defined value there: 1 more." in notes and "6 patches" in notes
    assert "321 values in 1 file undefined" in notes and "32 values saturated" in notes
    stored = values(data)[..., 0]
    assert np.array_equal(stored[-1], image[48:])
    holed = image[32:48].copy()
    holed[8, 3] = np.median(np.delete(holed.ravel(), 8 * 16 + 3))
    assert np.array_equal(stored[-3], holed)


def test_an_image_larger_than_memory(root, monkeypatch):
    """Of 64 MB, with a limit of 4, no more than a part is in memory at a time."""
    monkeypatch.setattr(scientific_files, "LARGE", 2**22)
    monkeypatch.setattr(scientific_cache, "_MAX_WAITING", 2**24)
    image = np.lib.format.open_memmap(root / "a.npy", "w+", np.uint16, (4096, 8192))
    image[::64, ::64] = 1000
    image.flush()
    nbytes = image.nbytes
    del image
    tracemalloc.start()
    try:
        data = load(root, 32, patches=1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(data.images) == 7 * 15 and peak < nbytes / 1.5, peak


def test_labels_digests_and_identity(root):
    for name in "ab":
        making.write_image(root / name / "1.png", making.pixels(24, 16, 3, seed=ord(name)))
    data = load(root)
    assert data.labels.tolist() == [0, 0, 1, 1] and data.classes == ("a", "b")
    assert load(root).digest == data.digest != load(root, patches=0).digest
    assert config.describe(data)["counts"] == [2, 2]
    infos = [config.describe(one) for one in (load(root, patches=0), data)]
    runs = [settings.RunSettings(size=16, patches=patches) for patches in (0, 16)]
    before, after = (config.Config("dcgan", "gan", run, None) for run in runs)
    assert config.data_differences(before, after, *infos) == ["--patches=0, now 16"]
    old = {"run": {"data": "galaxies"}, "hp": {}, "experiment": "dcgan", "method": "gan"}
    read = config.from_dict(json.loads(json.dumps(old)))
    assert read.run.patches == 0 and read.data_options == DataOptions(64)
    assert config.as_begun(read, old) == read


def test_places_as_quantities(root):
    for name in "ab":
        making.write_image(root / name / "1.png", making.pixels(32, 64, 3, seed=ord(name)))
    data = load(root, patches=32, labels="position")
    assert data.labels is None and data.classes == () and data.quantities == ("x", "y")
    assert data.values.tolist() == [[-0.5, 0], [0, 0], [0.5, 0]] * 2
    assert data.digest != load(root, patches=32, labels="none").digest
    making.refused("--labels=position means nothing", spec=f"folder:{root}", labels="position")


def test_places_follow_the_file_and_the_image(root):
    np.save(root / "a.npy", RNG.normal(size=(2, 16, 16, 1)))
    np.save(root / "b.npy", RNG.normal(size=(24, 32)))
    data = load(root, labels="position")
    places = [[-0.5, -1 / 3], [0, -1 / 3], [0.5, -1 / 3], [-0.5, 1 / 3], [0, 1 / 3], [0.5, 1 / 3]]
    np.testing.assert_allclose(data.values, [[0, 0], [0, 0], *places], atol=1e-6)


def test_patches_without_a_value_are_left_out(root, capsys):
    image = RNG.normal(size=(16, 48)).astype(np.float32)
    image[:, :20] = np.nan
    np.save(root / "a.npy", image)
    data = load(root, labels="position")
    said = capsys.readouterr().out
    assert "Left out, as a band has no defined value there: 1 more." in said
    assert "1 file cut into 4 patches of 16x16 pixels" in said
    assert np.array_equal(values(data)[-1, ..., 0], image[:, 32:])
    np.testing.assert_allclose(data.values[:, 0], np.arange(16, 41, 8) / 24 - 1, atol=1e-6)


def test_no_patch_with_all_bands(root):
    image = np.full((16, 48, 2), np.nan, np.float32)
    image[:, 0, 0] = image[:, -1, 1] = 1
    np.save(root / "a.npy", image)
    making.refused("every patch has a band without", spec=f"folder:{root}", patches=16)


def test_what_is_too_small_is_refused(root, capsys):
    spec = f"folder:{root}"
    making.write_image(root / "a.png", making.pixels(40, 40, 3))
    making.write_image(root / "b.png", making.pixels(20, 40, 3))
    making.refused(
        "b.png is 40x20 pixels, too small for patches 32", "--patches=20", spec=spec, patches=32
    )
    making.refused("--patches=12 are smaller than --size=16", spec=spec, patches=12)
    making.refused("cropped to 24", "--patches=32", spec=spec, patches=32, crop=24)
    assert len(load(root, patches=32, skip_bad_images=True).images) == 4
    assert "1 of 2 images skipped" in capsys.readouterr().err
    assert len(load(root, "10x20", patches=40).images) == 3 + 1
    np.savez(root / "c.npz", images=making.pixels(2, 32, 32, 3))
    making.refused("cuts image files", "folder:DIR", spec=f"npz:{root}/c.npz", patches=16)
    making.refused("cuts image files", spec="galaxies:9", patches=16)


def test_shards_are_of_patches(root):
    making.write_image(root / "a.png", making.pixels(32, 64, 3))
    whole = load(root)
    parts = [
        making.load(f"shard:{i}/2/0:folder:{root}", 16, patches=16, labels="position")
        for i in (1, 2)
    ]
    assert sum(len(part.images) for part in parts) == len(whole.images) - len(whole.images) % 2
    assert parts[0].quantities == ("x", "y")


@pytest.mark.parametrize("deep", [False, True])
def test_check_data_counts_patches(root, deep):
    for i in range(2):
        if deep:
            np.save(root / f"{i}.npy", RNG.normal(size=(32, 48)))
        else:
            making.write_image(root / f"{i}.png", making.pixels(32, 48, 3, seed=i))
    (root / "bad.png").write_bytes(b"nothing")
    options = {"patches": 16, "labels": "position", "skip_bad_images": True}
    report, split, _ = making.inspect(f"folder:{root}", 16, **options)
    data = load(root, **options)
    assert split.digest == data.digest
    report = " ".join(report.split())
    assert "2 files cut into 30 patches of 16x16 pixels" in report
    assert "30 of 16x16 pixels" in report and "patches of 16 pixels" in report
    spec = f"folder:{root}"
    found = inspect(spec, DataOptions(16, **options))
    opened = open_inspected(spec, found, "train")
    assert opened.digest == data.digest and np.array_equal(opened.values, data.values)


def test_turned_photographs(root):
    """Sizes are those after the turn."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = making.as_picture(making.pixels(16, 40, 3))
    image.save(root / "a.jpg", exif=exif, quality=95)
    turned = np.asarray(Image.open(root / "a.jpg").transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(load(root).images, cut(turned, 16, 8))
    making.refused("a.jpg is 16x40 pixels", spec=f"folder:{root}", size="8x16", patches=32)
