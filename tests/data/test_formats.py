"""Scientific files made by other programs: read at their own depth, and refused by name."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import datasets, formats, pixel_format
from gan_jax.data.types import DataOptions
from gan_jax.errors import InputError
from tests.data import making

RNG = np.random.default_rng(0)


def load(folder, size=16, split="train", **options):
    return datasets.load(f"folder:{folder}", DataOptions(size, **options), split)


def values(dataset):
    """Images in the data's own units."""
    if dataset.format is None:
        return dataset.images
    return pixel_format.in_units(dataset.stored, dataset.format)


def refused(folder, *words, **options):
    with pytest.raises(InputError) as caught:
        load(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message, message


def integers(dtype, *shape):
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype, endpoint=True)


@pytest.fixture
def root(tmp_path):
    """A folder without the cache."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


# FITS


@pytest.fixture
def fits():
    return pytest.importorskip("astropy.io.fits")


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", "<u2", ">i4", ">f4", "<f4", ">f8"])
def test_fits_of_every_type(root, fits, dtype):
    kind = np.dtype(dtype).newbyteorder("=")
    if kind.kind == "f":
        array = RNG.normal(3, 2, (3, 16, 16)).astype(dtype)
    else:
        array = integers(kind, 3, 16, 16).astype(dtype) if kind.itemsize < 4 else None
    if array is None:
        array = RNG.integers(-(2**24), 2**24, (3, 16, 16)).astype(dtype)
    for i, image in enumerate(array):
        fits.PrimaryHDU(image).writeto(root / f"{i}.fits")
    data = load(root)
    assert np.array_equal(
        values(data)[..., 0], array.astype(np.float32 if kind.itemsize > 2 else kind)
    )
    if kind.itemsize <= 2:
        assert values(data).dtype == kind
        assert data.trained_on.dtype == (np.uint8 if kind.itemsize == 1 else np.uint16)
    assert data.images.dtype == np.uint8


def test_bands_units_and_names_of_fits(root, fits):
    cube = RNG.normal(size=(5, 16, 16)).astype(np.float32)
    for i in range(2):
        hdu = fits.PrimaryHDU(cube + i)
        hdu.header["BUNIT"] = "nJy"
        for band, name in enumerate("ugriz"):
            hdu.header[f"BAND{band + 1}"] = name
        hdu.writeto(root / f"{i}.fits.gz")
    data = load(root)
    assert (data.format.unit, data.format.bands) == ("nJy", tuple("ugriz"))
    assert np.array_equal(values(data)[1], cube.transpose(1, 2, 0) + np.float32(1))


def test_scale_zero_and_blank_of_fits(root, fits):
    raw = RNG.integers(-100, 100, (16, 16)).astype(np.int16)
    raw[2, 3] = -999
    hdu = fits.PrimaryHDU(raw)
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 10.0, -999
    hdu.writeto(root / "a.fits")
    data = load(root)
    assert data.stored.dtype == np.uint16
    expected = 10 + 0.5 * raw
    expected[2, 3] = 10 + 0.5 * np.rint(np.median(raw[raw != -999]))
    assert np.array_equal(values(data)[0, ..., 0], expected.astype(np.float32))
    with fits.open(root / "a.fits") as file:
        assert np.array_equal(np.isnan(file[0].data), raw == -999)


def test_extensions_of_fits_are_bands(root, fits, capsys):
    planes = {name: RNG.normal(size=(16, 16)).astype(">f4") for name in ("G", "R", "ERR", "DQ")}
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(a, name=name) for name, a in planes.items())]
    fits.HDUList(hdus).writeto(root / "a.fits")
    data = load(root)
    assert data.format.bands == ("G", "R")
    assert np.array_equal(values(data)[0, ..., 1], planes["R"])
    assert "Extensions of FITS not read: ERR, DQ." in capsys.readouterr().out
    (root / "a.fits").unlink()
    hdus.append(fits.ImageHDU(planes["G"], name="SCI"))
    fits.HDUList(hdus).writeto(root / "b.fits")
    assert np.array_equal(values(load(root))[0], planes["G"][..., None])


def test_compressed_tiles_of_fits(root, fits):
    array = integers(np.int16, 64, 64)
    hdu = fits.CompImageHDU(array, compression_type="RICE_1", tile_shape=(16, 64))
    hdu.writeto(root / "a.fits.fz")
    assert np.array_equal(values(load(root, 64))[0, ..., 0], array)


def test_tiles_that_are_far_smaller_than_their_pixels(root, fits):
    array = np.zeros((256, 256), np.int16)
    array[3, 4] = 7
    hdu = fits.CompImageHDU(array, compression_type="RICE_1")
    hdu.writeto(root / "a.fits.fz")
    data = (root / "a.fits.fz").read_bytes()
    assert len(data) < array.nbytes // 8
    assert np.array_equal(values(load(root, 256))[0, ..., 0], array)
    (root / "a.fits.fz").write_bytes(data[:-2880])
    refused(root, "a.fits.fz", "ends 2,880 bytes too early")


@pytest.mark.parametrize(
    "name", ["UNCERT", "unc", "Uncertainty", "STDDEV", "RMS", "BKG", "NOISE_1"]
)
def test_extensions_of_noise_and_background_are_no_bands(root, fits, name):
    image, noise = (RNG.normal(size=(16, 16)).astype(">f4") for _ in range(2))
    fits.HDUList([fits.PrimaryHDU(image), fits.ImageHDU(noise, name=name)]).writeto(root / "a.fits")
    assert np.array_equal(values(load(root))[0], image[..., None])


@pytest.mark.parametrize("bands", [1, 3])
def test_tables_of_stamps(root, fits, bands):
    stamps = RNG.normal(size=(7, 16, 16, bands)).astype(np.float32)
    columns = [
        fits.Column(name="ID", format="K", array=np.arange(7)),
        *(
            fits.Column(f"FLUX{b}", "256E", "mJy", array=stamps[..., b], dim="(16,16)")
            for b in range(bands)
        ),
    ]
    folder = root / "set"
    for name, part in (("a", slice(0, 3)), ("b", slice(3, 7))):
        (folder / name).mkdir(parents=True)
        table = fits.BinTableHDU.from_columns(columns)
        table.data = table.data[part]
        table.writeto(folder / name / "stamps.fits")
    data = load(folder)
    assert np.array_equal(values(data), stamps)
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 1] and data.format.unit == "mJy"


def test_undefined_and_saturated_values_are_counted(root, fits, capsys):
    array = RNG.normal(100, 5, (16, 16)).astype(np.float32)
    array[0, :3], array[5, 5], array[7, 7] = np.nan, np.inf, 5000
    hdu = fits.PrimaryHDU(array)
    hdu.header["SATURATE"] = 4000.0
    hdu.writeto(root / "a.fits")
    data = load(root)
    said = capsys.readouterr().out
    assert "4 values in 1 file undefined" in said and "2 values saturated" in said
    assert np.isfinite(data.stored).all()
    good = np.isfinite(array)
    assert (data.stored[0, ..., 0][~good] == np.median(array[good])).all()


def test_fits_that_are_refused(root, fits):
    whole = io.BytesIO()
    fits.PrimaryHDU(np.zeros((64, 64), np.float32) + 1).writeto(whole)
    whole = whole.getvalue()
    for name, data, *words in (
        ("cut", whole[:9000], "cut.fits", "too early"),
        ("header", whole[:1000], "header.fits", "cannot be read as FITS"),
        ("text", b"nothing", "text.fits", "cannot be decoded"),
    ):
        path = root / f"{name}.fits"
        path.write_bytes(data)
        refused(root, *words)
        path.unlink()
    for name, hdu, *words in (
        ("empty", fits.PrimaryHDU(), "empty.fits has no image"),
        ("nan", fits.PrimaryHDU(np.full((16, 16), np.nan)), "nan.fits", "no defined value"),
        ("many", fits.PrimaryHDU(np.zeros((70, 16, 16))), "many.fits has 70 bands", "64"),
        ("small", fits.PrimaryHDU(np.zeros((9, 16))), "small.fits is 16x9 pixels, too small"),
    ):
        hdu.writeto(root / f"{name}.fits")
        refused(root, *words)
        (root / f"{name}.fits").unlink()
    fits.PrimaryHDU(np.zeros((2, 16, 16))).writeto(root / "a.fits")
    fits.PrimaryHDU(np.zeros((16, 16))).writeto(root / "b.fits")
    refused(root, "a.fits has 2", "b.fits has 1", "folder of its own")
    (root / "a.fits").unlink()
    making.write_image(root / "c.png", making.pixels(16, 16))
    refused(root, "c.png is a picture of 8 bits", "b.fits is FITS")


def test_bad_fits_are_skipped_by_name(root, fits, capsys):
    for i in range(3):
        fits.PrimaryHDU(np.full((16, 16), i, np.float32)).writeto(root / f"{i}.fits")
    data = (root / "1.fits").read_bytes()
    (root / "1.fits").write_bytes(data[: 2880 + 100])
    refused(root, "1.fits", "--skip_bad_images")
    assert values(load(root, skip_bad_images=True))[:, 0, 0, 0].tolist() == [0, 2]
    assert "1 of 3 images skipped" in capsys.readouterr().err
    report, split, _ = making.inspect(f"folder:{root}")
    assert list(split.bad) == [1] and "1.fits" in str(split.refusal)
    assert "cut off: 1" in report and "FITS, float32" in report


# TIFF


@pytest.fixture
def tifffile():
    return pytest.importorskip("tifffile")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u2", "i2", "f4", "u1"])
@pytest.mark.parametrize("channels, planar", [(1, False), (3, False), (3, True), (5, True)])
def test_tiff_of_every_layout(root, tifffile, dtype, order, channels, planar):
    kind = np.dtype(dtype)
    array = integers(kind, 32, 48, channels) if kind.kind != "f" else None
    array = RNG.normal(size=(32, 48, channels)).astype(kind) if array is None else array
    planes = array[..., 0] if channels == 1 else array.transpose(2, 0, 1) if planar else array
    tifffile.imwrite(
        root / "a.tif",
        np.ascontiguousarray(planes),
        byteorder=order,
        photometric="rgb" if channels == 3 and dtype != "f4" else "minisblack",
        planarconfig=None if channels == 1 else "separate" if planar else "contig",
        tile=(16, 16),
        compression="zlib",
    )
    data = load(root, 32, crop=32)
    assert np.array_equal(values(data)[0], array[:, 8:40])
    assert data.trained_on.dtype == {"u1": np.uint8, "f4": np.float32}.get(dtype, np.uint16)


def test_channels_and_stacks_of_ome_tiff(root, tifffile):
    stack = integers(np.uint16, 3, 2, 16, 16)
    tifffile.imwrite(
        root / "a.ome.tif", stack, metadata={"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    )
    data = load(root)
    assert data.format.bands == ("DAPI", "GFP")
    assert np.array_equal(values(data), stack.transpose(0, 2, 3, 1))


def test_pages_of_tiff_are_images(root, tifffile):
    pages = integers(np.uint16, 4, 16, 16)
    with tifffile.TiffWriter(root / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)
    assert np.array_equal(values(load(root))[..., 0], pages)
    tifffile.imwrite(root / "a.tif", pages, photometric="minisblack")
    assert np.array_equal(values(load(root))[..., 0], pages)


def test_twelve_bits_in_sixteen_are_not_dark(root, tifffile):
    array = RNG.integers(0, 4096, (16, 16)).astype(np.uint16)
    array[0, :2] = 0, 4095
    Image.fromarray(array).save(root / "a.tif")
    data = load(root)
    assert np.array_equal(values(data)[0, ..., 0], array)
    assert data.images.min() == 0 and data.images.max() == 255
    assert abs(float(data.images.mean()) - 127) < 15


def test_white_at_0_of_tiff(root, tifffile):
    array = integers(np.uint16, 16, 16)
    tifffile.imwrite(root / "a.tif", array, photometric="miniswhite")
    data = load(root)
    assert np.array_equal(values(data)[0, ..., 0], array)
    assert np.corrcoef(data.stored.ravel(), array.ravel())[0, 1] < -0.99


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_extra_samples_of_tiff_are_bands_or_transparency(root, tifffile, dtype):
    array = integers(dtype, 16, 16, 4)
    white = np.iinfo(dtype).max
    for kind, expected in (
        ("unspecified", array),
        ("unassalpha", np.rint(array[..., :3] * (array[..., 3:] / white))),
        ("assocalpha", array[..., :3]),
    ):
        if dtype == np.uint8 and kind != "unspecified":
            continue  # of Pillow
        tifffile.imwrite(root / "a.tif", array, photometric="rgb", extrasamples=[kind])
        assert np.array_equal(values(load(root))[0], expected), kind


def test_damaged_tiff_is_refused(root, tifffile):
    tifffile.imwrite(root / "a.tif", RNG.normal(size=(64, 64)))
    data = (root / "a.tif").read_bytes()
    (root / "a.tif").write_bytes(data[:5000])
    refused(root, "a.tif")
    tifffile.imwrite(root / "a.tif", np.ones((16, 16), np.complex64))
    refused(root, "a.tif", "complex64")


# DICOM


@pytest.fixture
def pydicom():
    return pytest.importorskip("pydicom")


def write_dicom(pydicom, path, array, photometric="MONOCHROME2", bits=12, **tags):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.PatientName, data.PatientID = "Doe^Jane", "123"
    data.Rows, data.Columns = array.shape[-2:] if photometric != "RGB" else array.shape[:2]
    data.SamplesPerPixel = 3 if photometric == "RGB" else 1
    if photometric == "RGB":
        data.PlanarConfiguration = 0
    if array.ndim == 3 and photometric != "RGB":
        data.NumberOfFrames = len(array)
    data.PhotometricInterpretation = photometric
    data.BitsAllocated, data.BitsStored = 8 * array.dtype.itemsize, bits
    data.HighBit, data.PixelRepresentation = bits - 1, int(array.dtype.kind == "i")
    for key, value in tags.items():
        setattr(data, key, value)
    data.PixelData = array.tobytes()
    path.parent.mkdir(exist_ok=True, parents=True)
    data.save_as(path, enforce_file_format=True)


def test_rescale_and_window_of_dicom(root, pydicom, capsys):
    array = RNG.integers(0, 4096, (16, 16)).astype(np.uint16)
    tags = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
    window = {"WindowCenter": 40, "WindowWidth": 400}
    write_dicom(pydicom, root / "a.dcm", array, **tags, **window)
    data = load(root)
    assert np.array_equal(values(data)[0, ..., 0], array.astype(int) - 1024)
    assert data.format.unit == "HU" and data.stored.dtype == np.uint16
    said = capsys.readouterr().out
    assert "--stretch=linear:low=-160,high=240" in said and "Doe" not in said
    clipped = load(root, stretch="linear:low=-160,high=240")
    assert (clipped.images[0, ..., 0][array < 800] == 0).all()


def test_monochrome1_frames_and_signs_of_dicom(root, pydicom):
    frames = RNG.integers(0, 4096, (3, 16, 16)).astype(np.uint16)
    write_dicom(pydicom, root / "a" / "a.dcm", frames, "MONOCHROME1", RescaleSlope=2)
    data = load(root / "a")
    assert np.array_equal(values(data)[..., 0], (2 * frames.astype(int)).astype(np.float32))
    assert np.corrcoef(data.images.ravel(), frames.ravel())[0, 1] < -0.99
    signed = RNG.integers(-2048, 2048, (16, 16)).astype(np.int16)
    signed[0, 0] = -2000
    write_dicom(pydicom, root / "b" / "b.dcm", signed, PixelPaddingValue=-2000)
    back = values(load(root / "b"))[0, ..., 0]
    assert np.array_equal(back.ravel()[1:][signed.ravel()[1:] > -2000], signed[signed > -2000][:])
    assert back[0, 0] == np.rint(np.median(signed[signed != -2000]))


def test_colour_of_dicom_is_an_ordinary_picture(root, pydicom):
    array = making.pixels(16, 16, 3)
    write_dicom(pydicom, root / "a.dcm", array, "RGB", 8)
    data = load(root)
    assert data.format is None and np.array_equal(data.images[0], array)


def test_damaged_dicom_is_refused(root, pydicom):
    write_dicom(pydicom, root / "a.dcm", np.zeros((64, 64), np.uint16))
    data = (root / "a.dcm").read_bytes()
    (root / "a.dcm").write_bytes(data[:-3000])
    refused(root, "a.dcm", "DICOM")


# PNG and npy


def png16(array, clear=b""):
    """A PNG file of 16 bits per channel [H, W, C], which Pillow writes for gray alone."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"tRNS", clear) if clear else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_png_of_sixteen_bits_keeps_all(root, channels):
    array = integers(np.uint16, 16, 16, channels)
    (root / "a.png").write_bytes(png16(array))
    data = load(root)
    assert data.stored.dtype == np.uint16
    assert np.array_equal(values(data)[0], array)


def test_transparency_of_deep_png_lies_over_black(root):
    array = integers(np.uint16, 16, 16, 4)
    (root / "a.png").write_bytes(png16(array))
    expected = np.rint(array[..., :3] * (array[..., 3:] / 65535))
    assert np.array_equal(values(load(root))[0], expected)
    gray = integers(np.uint16, 16, 16, 2)
    (root / "a.png").write_bytes(png16(gray))
    expected = gray[..., :1] * (gray[..., 1:] / 65535)
    assert np.abs(values(load(root))[0] - expected).max() < 600  # of 8 bits in Pillow
    (root / "a.png").write_bytes(png16(array[..., :3], array[0, 0, :3].astype(">u2").tobytes()))
    assert (values(load(root))[0, 0, 0] == 0).all()


def test_pictures_of_eight_bits_among_sixteen(root):
    small, deep = making.pixels(16, 16), integers(np.uint16, 16, 16)
    making.write_image(root / "a.png", small)
    imageio = pytest.importorskip("imageio.v3")
    imageio.imwrite(root / "b.png", deep)
    back = values(load(root))[..., 0]
    assert np.array_equal(back[0], small.astype(int) * 257) and np.array_equal(back[1], deep)


def test_stacks_of_eight_bits_among_sixteen(root, tifffile):
    pages, deep = integers(np.uint8, 2, 16, 16), integers(np.uint16, 2, 16, 16)
    tifffile.imwrite(root / "a.tif", pages, photometric="minisblack")
    assert np.array_equal(load(root).images[..., 0], pages)
    tifffile.imwrite(root / "b.tif", deep, photometric="minisblack")
    back = values(load(root))[..., 0]
    assert np.array_equal(back[:2], pages.astype(int) * 257) and np.array_equal(back[2:], deep)


def test_large_numbers_that_are_dark_and_bright_are_not_mixed(root, tifffile, pydicom):
    array = RNG.integers(0, 4096, (16, 16)).astype(np.uint16)
    for kind, ending, write in (
        ("tiff", "tif", lambda path, key: tifffile.imwrite(path, array, photometric=key)),
        ("dicom", "dcm", lambda path, key: write_dicom(pydicom, path, array, key)),
    ):
        names = {"tiff": ("miniswhite", "minisblack"), "dicom": ("MONOCHROME1", "MONOCHROME2")}
        folder = root / kind
        folder.mkdir()
        write(folder / f"a.{ending}", names[kind][0])
        assert np.array_equal(values(load(folder))[0, ..., 0], array)
        write(folder / f"b.{ending}", names[kind][1])
        refused(folder, f"dark in {folder}/a.{ending}", f"bright in {folder}/b.{ending}", "alike")


def test_palettes_and_gray_stay_pictures(root):
    image = Image.fromarray(making.pixels(16, 16, 3)).quantize(8)
    image.save(root / "a.tif")
    image.save(root / "b.png")
    data = load(root)
    assert data.format is None and data.stored is None
    assert np.array_equal(data.images[0], np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("axes", ["HW", "HWC", "CHW", "NHWC"])
def test_npy_files(root, axes):
    array = RNG.normal(size={"HW": (16, 16), "NHWC": (3, 16, 16, 4)}.get(axes, (16, 16, 4)))
    array = array.astype(">f4")
    np.save(root / "a.npy", array.transpose(2, 0, 1) if axes == "CHW" else array)
    expected = array[None, ..., None] if axes == "HW" else array if axes == "NHWC" else array[None]
    assert np.array_equal(values(load(root)), expected)


@pytest.mark.parametrize("dtype", ["u2", "i2", "i8", "f2", "f4", "f8", ">i4"])
def test_npz_of_every_type(root, dtype):
    array = (RNG.normal(size=(4, 16, 16, 2)) * 100).astype(dtype)
    np.savez(root / "a.npz", images=array)
    data = datasets.load(f"npz:{root / 'a.npz'}", DataOptions(16))
    assert np.array_equal(values(data), array.astype(np.float32))


def test_resizing_keeps_the_mean_and_makes_no_rings(root):
    star = np.zeros((32, 32), np.float32)
    star[16, 16] = 1000
    np.save(root / "a.npy", star)
    small = values(load(root, 16))
    assert small.min() == 0 and abs(small.mean() / star.mean() - 1) < 1e-4


# Formats and splits


def test_a_missing_extra_is_refused_by_name(root, monkeypatch):
    heads = {
        "fits": ("a.fits", b"SIMPLE  =                    T".ljust(2880)),
        "dicom": ("a.dcm", b"\0" * 128 + b"DICM" + b"\0" * 99),
        "tiff": ("a.tif", None),
        "hdf5": ("a.h5", b"\x89HDF\r\n\x1a\n".ljust(99, b"\0")),
    }
    array = io.BytesIO()
    Image.fromarray(integers(np.uint16, 16, 16)).save(array, "TIFF")
    for key, (name, head) in heads.items():
        one = formats.TABLE[key]._replace(library="no_such_library")
        monkeypatch.setitem(formats.TABLE, key, one)
        path = root / key / name
        path.parent.mkdir()
        path.write_bytes(array.getvalue() if head is None else head)
        refused(path.parent, name, one.title, f"the extra {one.extra}:", "pip install")


def test_the_test_split_has_the_stretch_of_train(root):
    for split, top in (("train", 100), ("test", 200)):
        (root / split).mkdir()
        for i in range(3):
            array = np.linspace(0, top, 256).reshape(16, 16).astype(np.float32)
            np.save(root / split / f"{i}.npy", array)
    train, test = load(root), load(root, split="test")
    assert test.format == train.format and test.format.high == (100.0,)
    assert (test.images == 255).mean() > 0.45
    (root / "test" / "0.npy").unlink()
    np.save(root / "test" / "0.npy", array.astype(np.uint16))
    assert load(root, split="test").format == train.format


def test_shards_keep_depth_and_stretch(root):
    np.savez(root / "a.npz", images=RNG.normal(size=(9, 16, 16)))
    whole = datasets.load(f"npz:{root / 'a.npz'}", DataOptions(16, stretch="asinh"))
    parts = [
        datasets.load(f"shard:{i}/3/0:npz:{root / 'a.npz'}", DataOptions(16, stretch="asinh"))
        for i in (1, 2, 3)
    ]
    assert {part.format for part in parts} == {whole.format}
    assert sorted(x for p in parts for x in p.stored.ravel()) == sorted(whole.stored.ravel())


def test_digests_tell_stretches_apart_and_8_bits_have_none(root):
    making.write_image(root / "a.png", making.pixels(16, 16))
    plain = load(root)
    assert plain.format is None and plain.stored is None and len(plain.digest) == 32
    one, two = (load(root, stretch=text) for text in ("sqrt", "asinh"))
    assert len({plain.digest, one.digest, two.digest}) == 3
    assert one.stored.dtype == np.uint8 and np.array_equal(one.stored, plain.images)
    assert json.loads(json.dumps(one.format.to_dict()))["stretch"] == "sqrt"
