"""The study of collapse on stacks: sizes of D, modes that are combinations of classes."""

import dataclasses
import types

import pytest

from gan_jax.data import datasets, stacked
from gan_jax.data.types import DataOptions
from gan_jax.settings import RunSettings
from gan_jax.studies import table_format
from gan_jax.studies.collapse import command, scorer, stacked_mnist
from gan_jax.studies.collapse import page as collapse_page
from gan_jax.studies.collapse import results as found
from gan_jax.studies.collapse.flags import Flags, SharedSettings
from gan_jax.studies.collapse.systems import build_config, hyperparameters, kind_of, title
from tests.data import making
from tests.studies import helpers


def test_the_kind_of_data_is_read_from_their_name():
    kinds = {
        "toys:gaussians25": "points",
        "galaxies:200": "images",
        "shard:1/2/0:galaxies": "images",
        "stacked:idx:data/mnist": "stacks",
        "shard:1/2/0:stacked:idx:data/mnist": "stacks",
        "shard:1/2/0:thin:0-0-0/9/0:stacked:galaxies": "stacks",
        "folder:stacked": "images",
    }
    assert {spec: kind_of(spec) for spec in kinds} == kinds


def test_systems_with_a_size_of_d_are_compared_with_the_one_of_that_size():
    flags = dataclasses.replace(Flags(), systems="gan,pac2", disc_sizes="1, 0.25,1")
    assert command.read_systems(flags, False) == ["gan@1", "pac2@1", "gan@0.25", "pac2@0.25"]
    assert title("pac2@0.25") == "PacGAN of 2 images (D 0.25)" and title("gan") == "GAN"
    shared = SharedSettings(net="unrolled", width=6)
    quarter, whole = (hyperparameters(f"gan@{size}", shared) for size in (0.25, 1))
    assert (quarter.width, quarter.disc_width, whole.disc_width) == (6, 2, 6)
    assert dataclasses.replace(quarter, disc_width=0) == hyperparameters("gan", shared)
    # D sees as many packs as it sees images elsewhere.
    run = RunSettings(data="stacked:idx:mnist", batch=64)
    assert [build_config(s, run, shared).run.batch for s in ("gan", "pac4@1")] == [64, 256]
    assert build_config("pac4@1", run, shared).hp.pack == 4
    assert found.against_of({"against": "gan"}, "pac2@0.25") == "gan@0.25"
    assert found.against_of({"against": "gan"}, "pac2") == "gan"


@pytest.fixture
def stacks():
    """Results of two systems on stacks, with two sizes of D; the small one loses most modes."""
    row = lambda modes, kl: {
        "modes": modes,
        "modes_kl": kl,
        "frechet": kl,
        "steps": 10,
        "updates": 10,
        "train_s": 60.0,
    }
    table = {
        "gan@0.25": [row(100.0, 3.0), row(110.0, 3.1), row(90.0, 2.9)],
        "pac2@0.25": [row(600.0, 1.0), row(610.0, 1.1), row(590.0, 0.9)],
        "gan@1": [row(900.0, 0.5), row(910.0, 0.6), row(890.0, 0.4)],
        "pac2@1": [],
    }
    return {
        "kind": "stacks",
        "net": "unrolled",
        "systems": {name: title(name) for name in table},
        "against": "gan",
        "classes": [],
        "n_modes": 1000,
        "tables": {"updates": table, "time": table},
        "curves": {name: {system: [] for system in table} for name in ("updates", "time")},
        "controls": {"real (floor)": row(1000.0, 0.02), "collapsed": row(1.0, 6.9)},
        "training data": {"fractions": []},
        "seeds": 3,
        "protocol": "Protocol.",
        "diverged": {},
    }


def test_results_of_stacks(stacks, tmp_path):
    assert set(found.comparisons(stacks)) == {
        ("updates", "pac2@0.25", "modes_kl"),
        ("updates", "pac2@0.25", "frechet"),
    }
    updates, _, differences, published = map(table_format.markdown, found.tables(stacks))
    assert (
        "| PacGAN of 2 images (D 0.25) | 10 | 1.0 +- 0.0 | 600.0 +- 10.0 | 1.000 +- 0.100 |"
        in updates
    )
    assert (
        "0.333 times (0.246 to 0.451)" in differences
        and "| DCGAN | a quarter | 30.6 |" in published
    )
    sentences = found.verdicts(stacks)
    assert "all 1000 combinations of classes" in sentences[0]
    assert any("(D 0.25) against GAN (D 0.25)" in text for text in sentences)
    samples = {
        name: {system: making.pixels(9, 8, 8, 3) for system in stacks["systems"]}
        for name in ("updates", "time")
    }
    source = types.SimpleNamespace(images=making.pixels(9, 8, 8, 3), points=False)
    drawn = collapse_page.figures(stacks, samples, source)
    assert set(drawn) == {"samples.png", "disc_sizes.png"}
    for name, draw in drawn.items():
        draw(tmp_path / name)
    assert "Modes covered against the width of D" in collapse_page.document(stacks, tmp_path)


def test_results_without_equal_time(stacks, tmp_path):
    """As --noequal_time leaves them: nothing is said of equal wall time."""
    for part in ("tables", "curves"):
        del stacks[part]["time"]
    tables = found.tables(stacks)
    assert tables[0].title == "Equal generator updates"
    assert not any("wall time" in table.title for table in tables)
    assert not any("wall time" in text for text in found.verdicts(stacks))
    samples = {"updates": {system: making.pixels(9, 8, 8, 3) for system in stacks["systems"]}}
    source = types.SimpleNamespace(images=making.pixels(9, 8, 8, 3), points=False)
    for name, draw in collapse_page.figures(stacks, samples, source).items():
        draw(tmp_path / name)
    assert "wall time" not in collapse_page.document(stacks, tmp_path).split("<style")[0]


@pytest.mark.slow
def test_the_accuracy_of_stacks_is_that_of_a_channel_and_shares_of_combinations_are_left_out(
    monkeypatch,
):
    monkeypatch.setattr(stacked, "N_STACKS", {"train": 900, "test": 600})
    train = datasets.load("stacked:galaxies:200", DataOptions(16))
    test = datasets.load_heldout(train, DataOptions(16))
    scorer.check_data(train, {"n_images": 300})
    scores = scorer.build_scorer(train, test, 300)
    assert (scores.kind, scores.n_modes, scores.classes) == ("stacks", 125, [])
    real, collapsed = scores.controls["real (floor)"], scores.controls["collapsed"]
    assert "fractions" not in real and "classifier of each channel" in scores.protocol
    assert real["modes"] > 20 * collapsed["modes"] / 4 and real["modes_kl"] < collapsed["modes_kl"]


@pytest.mark.slow
def test_a_study_of_stacks(tmp_path, capsys):
    words = ["--flagfile=stacked_mnist_smoke", "--devices=1", "--seeds=1"]
    assert helpers.run(stacked_mnist, words, tmp_path / "study") == 0
    assert "of 125 in real data" in capsys.readouterr().out
    helpers.assert_files(tmp_path / "study", "samples.png", "disc_sizes.png", "curves.png")
