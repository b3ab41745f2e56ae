"""What the headers of FITS files have in common: kept, scaled with the pixels, written again."""

import json

import numpy as np
import pytest

from gan_jax import config
from gan_jax.data import pixel_format, unit_files
from tests.data import making

fits = pytest.importorskip("astropy.io.fits")
wcs = pytest.importorskip("astropy.wcs")
from gan_jax.data.formats import fits_header  # noqa: E402

RNG = np.random.default_rng(0)
HEADER = {"TELESCOP": "Subaru", "INSTRUME": "HSC", "FILTER": "HSC-I", "EXPTIME": 200.0}
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2}
SCALE = {"CDELT1": -0.2 / 3600, "CDELT2": 0.2 / 3600}


def write(path, *shape, **header):
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu = fits.PrimaryHDU(RNG.normal(size=shape).astype(np.float32))
    hdu.header.update(header)
    hdu.writeto(path)


def load(folder, size=16, **options):
    return making.load(f"folder:{folder}", size, **options)


@pytest.mark.parametrize(
    "header",
    [
        SCALE,
        {"CDELT1": -0.003, "CDELT2": 0.005, "CROTA2": 33.0},
        {**SCALE, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
        {"CDELT1": -0.003, "CDELT2": 0.005, "PC1_1": 0.8, "PC1_2": -0.3, "PC2_1": 0.6},
        {"CD1_1": -4e-5, "CD1_2": 3e-5, "CD2_1": 2e-5, "CD2_2": 5e-5},
        {"CD1_1": -4e-5, "CD2_2": 5e-5},
        {"CDELT1": 0.3, "CDELT2": 0.4, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"CDELT1": 0.3, "CDELT2": 0.4, "CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR"},
    ],
)
def test_the_size_of_a_pixel_is_that_of_astropy(header):
    cards = fits.Header(TAN | header)
    width, height = 3600 * wcs.utils.proj_plane_pixel_scales(wcs.WCS(cards))
    np.testing.assert_allclose(fits_header.pixel_scale([cards]), (height, width), rtol=1e-9)


@pytest.mark.parametrize(
    "header", [{}, TAN, SCALE, SCALE | {"CTYPE1": "WAVE", "CTYPE2": "DEC--TAN"}]
)
def test_no_size_of_a_pixel_is_made_up(header):
    assert fits_header.pixel_scale([fits.Header(header)]) is None


def test_planes_that_disagree():
    one, two = fits.Header(HEADER | TAN | SCALE), fits.Header(HEADER | TAN | SCALE)
    two["FILTER"], two["CDELT1"] = "HSC-R", 1.0
    kept = fits_header.kept_keys([one, two], fits.Header())
    assert dict(kept) == {k: v for k, v in HEADER.items() if k != "FILTER"}
    assert fits_header.pixel_scale([one, two]) is None
    assert fits_header.kept_keys([fits.Header()] * 2, one) == tuple(HEADER.items())


def test_what_all_files_share_is_kept(tmp_path):
    folder = tmp_path / "set"
    write(folder / "a.fits", 16, 16, **HEADER, **TAN, **SCALE)
    write(folder / "b.fits", 16, 16, **HEADER | {"EXPTIME": 30.0}, **TAN, **SCALE)
    data = load(folder)
    shared = {k: v for k, v in HEADER.items() if k != "EXPTIME"} | {"CDELT1": 0.2, "CDELT2": 0.2}
    assert dict(data.format.header) == shared
    info = json.loads(json.dumps(config.describe(data)))
    assert info["pixels"]["header"] == shared
    assert pixel_format.from_dict(info["pixels"]) == data.format
    write(folder / "c.fits", 16, 16)
    bare = load(folder).format
    assert bare.header == () and "header" not in bare.to_dict()
    assert pixel_format.from_dict(bare.to_dict()) == bare


def test_headers_leave_digests_as_they_were(tmp_path):
    image = RNG.normal(size=(16, 16)).astype(np.float32)
    for name, header in (("a", {}), ("b", HEADER | TAN | SCALE)):
        (tmp_path / name).mkdir()
        fits.PrimaryHDU(image, fits.Header(header)).writeto(tmp_path / name / "a.fits")
    bare, full = (load(tmp_path / name) for name in "ab")
    assert bare.digest == full.digest and full.format.header and not bare.format.header


@pytest.mark.parametrize(
    "size, crop, expected",
    [
        (32, 0, (0.2, 0.2)),
        (16, 0, (0.4, 0.4)),
        (16, 24, (0.3, 0.3)),
        ("16x24", 0, (0.2 * 48 / 24, 0.4)),
    ],
)
def test_pixels_grow_as_images_shrink(tmp_path, size, crop, expected):
    write(tmp_path / "set" / "a.fits", 32, 48, **TAN, **SCALE)
    header = dict(load(tmp_path / "set", size, crop=crop).format.header)
    np.testing.assert_allclose((header["CDELT1"], header["CDELT2"]), expected, rtol=1e-5)


def test_images_of_two_sizes_have_no_common_pixel(tmp_path):
    write(tmp_path / "set" / "a.fits", 16, 16, **TAN, **SCALE)
    write(tmp_path / "set" / "b.fits", 32, 32, **TAN, **SCALE)
    assert load(tmp_path / "set").format.header == ()
    finer = {key: value / 2 for key, value in SCALE.items()}
    write(tmp_path / "set2" / "a.fits", 16, 16, **TAN, **SCALE)
    write(tmp_path / "set2" / "b.fits", 32, 32, **TAN, **finer)
    assert dict(load(tmp_path / "set2").format.header) == {"CDELT1": 0.2, "CDELT2": 0.2}


@pytest.mark.parametrize("bands", [1, 3])
def test_samples_have_the_header(tmp_path, bands):
    write(tmp_path / "set" / "a.fits", bands, 32, 48, **HEADER, **TAN, **SCALE)
    info = config.describe(load(tmp_path / "set", "16x24"))
    path, image = tmp_path / "sample.fits", np.zeros((16, 24, bands), np.float32)
    unit_files.write_fits(path, image, {}, info)
    with fits.open(path) as file:
        file.verify("exception")
        header = file[0].header
    assert {key: header[key] for key in HEADER} == HEADER
    plane = wcs.WCS(header).sub([1, 2])
    assert plane.wcs.cunit[0] == plane.wcs.cunit[1] == "arcsec"
    np.testing.assert_allclose(wcs.utils.proj_plane_pixel_scales(plane), (0.4, 0.4), rtol=1e-6)
    corners = plane.wcs_pix2world([[1, 1], [24, 16]], 1)
    np.testing.assert_allclose(corners, [[-4.6, -3.0], [4.6, 3.0]], rtol=1e-6)
