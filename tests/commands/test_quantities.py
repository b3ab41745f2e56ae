"""A run that is told quantities: from the table to samples, scores and a published folder."""

import json

import numpy as np
import pytest
from PIL import Image

import gan_jax as gj
from gan_jax.commands import evaluate, kinds, publish, sample, train
from gan_jax.errors import InputError
from tests import tiny_runs

SIZE = 16
FLAGS = [*tiny_runs.FLAGS[2:], f"--size={SIZE}", "--steps=4", "--save_every=2", "--sample_every=4"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with 60 images, and their values in a table."""
    place = tmp_path_factory.mktemp("quantities")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, SIZE, SIZE, 1), dtype=np.uint8)
    np.savez(place / "set.npz", images=images)
    rows = [f"{i},{rng.gamma(2):.3f},{rng.normal():.3f}" for i in range(60)]
    (place / "t.csv").write_text("\n".join(["n,z,mass", *rows]) + "\n")
    return place


def run_train(place, name, labels, *flags):
    run = place / name
    data = [f"--data=npz:{place / 'set.npz'}", f"--labels={place / 't.csv'}:{labels}"]
    words = ["--condition=quantities", "--cond_disc=projection", f"--workdir={run}"]
    train.run("cgan", [*data, *words, *FLAGS, *flags])
    return run


@pytest.fixture(scope="module")
def run(place):
    return run_train(place, "one", "z", "--vicinity=1")


@pytest.fixture(scope="module")
def run_of_two(place):
    return run_train(place, "two", "z,mass")


def npz(run, *flags):
    sample.run([f"--workdir={run}", "--form=npz", f"--out={run}.npz", *flags])
    with np.load(f"{run}.npz") as file:
        return dict(file)


@pytest.mark.long
def test_samples_have_the_values_that_are_asked(run, place):
    column = np.genfromtxt(place / "t.csv", delimiter=",", names=True)["z"].astype(np.float32)
    drawn = npz(run, "--n=20")
    assert drawn["values"].shape == (20, 1) and np.isin(drawn["values"], column).all()
    assert drawn["quantities"].tolist() == ["z"]
    asked = npz(run, "--n=5", "--kind=0.5,2")
    assert asked["values"][:, 0].tolist() == [0.5, 2, 0.5, 2, 0.5]
    api = gj.load(run)
    assert np.array_equal(api.sample(5, kind="0.5,2"), asked["images"])
    assert np.array_equal(api.sample(1, kind=2.0), npz(run, "--n=1", "--kind=2")["images"])
    z = api.noise(3)
    images = np.asarray(api.generator(z, 2.0))
    assert np.array_equal(images, np.asarray(api.generator(z, np.full(3, 2.0))))
    # The value is told: with the same noise, another value gives another image.
    assert not np.array_equal(images, np.asarray(api.generator(z, 0.5)))
    with pytest.raises(InputError, match="of a given z; add kind="):
        api.generator(z)


@pytest.mark.long
def test_grids_have_a_column_of_each_value(run, run_of_two):
    sample.run([f"--workdir={run}", "--form=kinds", "--n=2"])
    columns, rows, edge = 9, 2, SIZE + 1
    size = (columns * edge - 1, rows * edge - 1)
    assert Image.open(run / "sampled_kinds.png").size == size
    sample.run([f"--workdir={run_of_two}", "--form=kinds", "--n=4", "--kind=0.5/0,1/0,1/-1"])
    width, height = Image.open(run_of_two / "sampled_kinds.png").size
    assert width < height
    assert Image.open(next((run / "samples").glob("*.png"))).size[0] > 9 * SIZE


@pytest.mark.parametrize("text", ["1", "1/a", "1/2,3", "", "nan/1"])
def test_other_values_are_refused(text):
    with pytest.raises(InputError, match="images have z and mass; give numbers, such as --kind="):
        kinds.parse_values(("z", "mass"), text)


@pytest.mark.long
def test_scores_and_the_published_folder(run_of_two, monkeypatch):
    from gan_jax.metrics import asked_quantities

    short = asked_quantities.Settings(steps=10, batch=16, widths=(4, 4, 4))
    monkeypatch.setattr(asked_quantities, "Settings", lambda: short)
    words = ["--n_images=40", "--repeats=1", "--scores=kernel", "--neighbours=0"]
    evaluate.run([f"--workdir={run_of_two}", "--features=pixels", *words])
    record = json.loads((run_of_two / "eval.json").read_text())
    assert list(record["asked"]["by_quantity"]) == ["z", "mass"] and record["asked"]["n"] == 40
    assert "Quantities asked for" in (run_of_two / "report.html").read_text()
    publish.run([str(run_of_two), f"--out={run_of_two.parent / 'model'}"])
    card = (run_of_two.parent / "model" / "README.md").read_text()
    assert "**Quantities asked for.**" in card and "values of the quantities" in card
    stored = (run_of_two.parent / "model" / "config.json").read_text()
    assert json.loads(stored)["run"]["labels"] == "t.csv:z,mass"
    assert str(run_of_two.parent) not in stored
    published = npz(run_of_two.parent / "model", "--n=3", "--kind=1/0")
    assert np.array_equal(published["images"], npz(run_of_two, "--n=3", "--kind=1/0")["images"])


@pytest.mark.long
def test_other_labels_are_another_run(run, place, monkeypatch):
    with pytest.raises(InputError, match="--labels"):
        run_train(place, run.name, "mass", "--vicinity=1")
    monkeypatch.chdir(place)  # the table's place is kept
    words = ["--data=npz:set.npz", "--labels=t.csv:z", "--vicinity=1", "--workdir=one"]
    train.run("cgan", ["--condition=quantities", "--cond_disc=projection", *words, *FLAGS])
