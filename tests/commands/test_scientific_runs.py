"""From FITS stamps through training to generated FITS stamps, as a user types it."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_jax.commands import evaluate, sample, train
from gan_jax.data import datasets, pixel_format
from gan_jax.errors import InputError
from gan_jax.metrics import photometry
from gan_jax.rundir import run_folder
from tests import tiny_runs

SIZE = 16
BANDS = ("g", "r", "i", "z", "y")
FLAGS = [*tiny_runs.FLAGS[2:], f"--size={SIZE}", "--steps=4", "--save_every=2", "--sample_every=4"]


def stamps(n=40, seed=0):
    """Round sources of five bands on a noisy sky, float32 [n, 5, SIZE, SIZE]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    width = rng.uniform(1, 3, (n, 1, 1, 1))
    flux = rng.lognormal(3, 1, (n, 1, 1, 1)) * np.array([0.3, 0.6, 1, 1.2, 1.3])[:, None, None]
    light = flux * np.exp(-(x * x + y * y) / 2 / width**2)
    return (light + rng.normal(0, 0.5, light.shape)).astype(np.float32)


@pytest.fixture
def fits():
    return pytest.importorskip("astropy.io.fits")


def write_folder(fits, folder, images):
    folder.mkdir()
    for i, image in enumerate(images):
        hdu = fits.PrimaryHDU(image)
        hdu.header["BUNIT"] = "nJy"
        for band, name in enumerate(BANDS):
            hdu.header[f"BAND{band + 1}"] = name
        hdu.writeto(folder / f"{i:03d}.fits")
    return f"folder:{folder}"


def run_train(tmp_path, data, *flags):
    run = tmp_path / "run"
    train.run("dcgan", [f"--data={data}", f"--workdir={run}", *FLAGS, *flags])
    return run


@pytest.mark.long
def test_a_run_on_fits_stamps_and_its_samples(tmp_path, fits, capsys):
    stretch = "asinh:softening=0.02,high=99.5%,per=image"
    data = write_folder(fits, tmp_path / "set", stamps())
    run = run_train(tmp_path, data, f"--stretch={stretch}")
    said = capsys.readouterr().out
    assert "40 images of 16 px, 5 channels" in said
    assert f"Values: kept as float32; stretched by {stretch}, of each image" in said
    raw = json.loads((run / "config.json").read_text())
    assert raw["run"]["stretch"] == stretch and raw["dataset"]["pixels"]["unit"] == "nJy"
    sample.run([f"--workdir={run}", "--n=5", "--form=fits", "--seed=3"])
    sample.run([f"--workdir={run}", "--n=5", "--form=npz", "--seed=3"])
    sample.run([f"--workdir={run}", "--n=4", "--seed=3"])
    assert Image.open(run / "sampled.png").mode == "RGB"
    images = np.load(run / "sampled.npz")["images"]
    assert images.dtype == np.float32 and images.shape == (5, SIZE, SIZE, 5)
    form = pixel_format.from_dict(raw["dataset"]["pixels"])
    low, high = (np.array(end) for end in (form.low, form.high))
    slack = 1e-5 * (high - low)
    assert (images >= low - slack).all() and (images <= high + slack).all()
    files = sorted((run / "sampled_fits").glob("*.fits"))
    assert len(files) == 5
    with fits.open(files[2]) as file:
        header, array = file[0].header, file[0].data
        file.verify("exception")
    assert np.array_equal(array.transpose(1, 2, 0), images[2])
    assert header["ORIGIN"].startswith("gan-jax") and header["SYNTH"] and header["GANSTEP"] == 4
    assert (header["BUNIT"], header["BAND3"], header["GANSEED"], header["GANNUMB"]) == (
        ("nJy", "i", 3, 2)
    )
    again = datasets.load(f"folder:{run / 'sampled_fits'}", datasets.DataOptions(SIZE))
    assert np.array_equal(again.stored, images) and again.format.bands == BANDS
    # The picture of a sample is the stretch of its values.
    flags = sample.Flags(str(run), n=5, seed=3, form="folder")
    shown = sample.make_samples(flags, run_folder.load(str(run)))[0]
    seen = pixel_format.view(images, form._replace(stretch=stretch.replace(",per=image", "")))
    assert np.abs(seen.astype(int) - shown).max() <= 1
    check_photometry(run, data, stretch, images, tmp_path / "scores")
    # Another stretch is another run.
    with pytest.raises(InputError, match=f"--stretch={stretch}, now sqrt"):
        run_train(tmp_path, data, "--stretch=sqrt")


@pytest.mark.long
def test_photometry_while_training(tmp_path):
    np.savez(tmp_path / "set.npz", images=stamps().transpose(0, 2, 3, 1))
    data, stretch = f"npz:{tmp_path / 'set.npz'}", "asinh:softening=0.1"
    flags = ["--eval_every=4", "--eval_images=100", "--eval_scores=photometry"]
    run = run_train(tmp_path, data, f"--stretch={stretch}", *flags)
    logged = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    sample.run([f"--workdir={run}", "--n=100", "--form=npz", "--seed=0"])
    images = np.load(run / "sampled.npz")["images"]
    real = datasets.load(data, datasets.DataOptions(SIZE)).stored
    direct = photometry.compare_sets(measure(real), measure(images))
    scores = {key: logged[f"eval/{key}"] for key in direct}
    assert logged["step"] == 4 and scores == pytest.approx(direct, rel=1e-4)


def check_photometry(run, data, stretch, images, out):
    """Scores of values in nJy: of the run's samples, and of its FITS files as other images."""
    common = {"scores": "kernel,photometry", "features": "pixels", "n_images": 5, "neighbours": 0}
    record, _ = evaluate.evaluate_to_files(
        evaluate.Flags(workdir=str(run), repeats=1, seed=3, **common)
    )
    real = datasets.load(data, datasets.DataOptions(SIZE)).stored
    direct = photometry.compare_sets(measure(real), measure(images))
    of_run = record["rows"]["model"]
    assert {key: of_run[key] for key in direct} == pytest.approx(direct, rel=1e-4)
    flags = {"data": data, "size": SIZE, "stretch": stretch, **common}
    files = str(run / "sampled_fits")
    record, _ = evaluate.evaluate_to_files(evaluate.Flags(workdir=str(out), images=files, **flags))
    of_files = record["rows"]["images"]
    assert {key: of_files[key] for key in direct} == pytest.approx(direct, rel=1e-6)
    assert np.isfinite([record["rows"]["real"][key] for key in direct]).all()
    pictures = out.parent / "pictures"
    pictures.mkdir()
    for i, image in enumerate(np.zeros((4, SIZE, SIZE, 5), np.uint8)):
        np.save(pictures / f"{i}.npy", image)
    with pytest.raises(InputError, match="--scores=kernel,photometry: photometry is of images"):
        evaluate.evaluate_to_files(evaluate.Flags(workdir=str(out), images=str(pictures), **flags))


def measure(values):
    return {"photometry": photometry.measure_images(np.asarray(values))}


@pytest.mark.long
def test_sixteen_bits_from_tiff_to_tiff(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    (tmp_path / "set").mkdir()
    for i, image in enumerate(stamps(20)):
        counts = np.clip(20 * image[:3].transpose(1, 2, 0), 0, 4095).astype(np.uint16)
        tifffile.imwrite(tmp_path / "set" / f"{i}.tif", counts, photometric="rgb")
    run = run_train(tmp_path, f"folder:{tmp_path / 'set'}", "--stretch=log:a=100")
    for form in ("tiff", "npz"):
        sample.run([f"--workdir={run}", "--n=3", f"--form={form}"])
    images = np.load(run / "sampled.npz")["images"]
    assert images.dtype == np.uint16 and images.max() <= 4095
    for i in range(3):
        with tifffile.TiffFile(run / "sampled_tiff" / f"{i:06d}.tif") as file:
            assert np.array_equal(file.asarray(), images[i])
            said = json.loads(file.pages[0].description)
        assert said["stretch"] == "log:a=100" and said["step"] == 4


def test_check_data_describes_and_draws_values(tmp_path, fits, capsys):
    images = stamps()
    images[3, 2, 5, 5] = np.nan
    data = write_folder(fits, tmp_path / "set", images)
    run_train(tmp_path, data, "--check_data", "--stretch=percentile:above=98")
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "40 FITS, float32",
        "1 value in 1 file undefined",
        "kept as float32; stretched by percentile:above=98",
        "outside the stretch (2.",
        "g, r, i, z, y; nJy",
        "Verdict: training would accept this command.",
    ):
        assert words in said, words
    picture = Image.open(tmp_path / "run-values.png")
    assert picture.width > 800 and not (tmp_path / "run").exists()
