"""S1's study: training sets, and a whole study made, stopped and continued."""

import dataclasses

import numpy as np
import pytest

from gan_jax.commands import evaluate, sample
from gan_jax.data import datasets, writers
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError
from gan_jax.metrics.features import classifier_training
from gan_jax.rundir import run_folder
from gan_jax.studies.augment import command, training_sets
from gan_jax.studies.augment.flags import read_shares, read_study
from gan_jax.studies.augment.gan import class_head
from tests.studies import helpers

SMOKE = ("--flagfile=augment_smoke", "--devices=1")
LABELS = np.array([0] * 50 + [1] * 45 + [2] * 5 + [0, 1] * 60 + [2] * 28)
ORIGIN = np.repeat(
    [training_sets.REAL, training_sets.SYNTHETIC, training_sets.RARE], [100, 120, 28]
)
POOL = training_sets.Pool(LABELS, ORIGIN, rare=2, target=33)
TABLE = training_sets.build_arms((0.5, 1), 1, True, "cigar")


def composed(key, seed=0):
    return TABLE[key].compose(POOL, np.random.default_rng(seed))


@pytest.mark.parametrize("key", TABLE)
def test_arms_are_made_of_what_they_say(key):
    rows = composed(key)
    n = {
        origin: int((ORIGIN[rows] == origin).sum())
        for origin in (training_sets.REAL, training_sets.SYNTHETIC, training_sets.RARE)
    }
    wanted = {
        "real": (100, 0, 0),
        "ordinary": (100, 0, 0),
        "synthetic_0.5": (100, 50, 0),
        "synthetic_1": (100, 100, 0),
        "synthetic": (0, 120, 0),
        "ordinary_1": (100, 100, 0),
        "copies": (128, 0, 0),
        "filled": (100, 0, 28),
        "ordinary_copies": (128, 0, 0),
        "ordinary_filled": (100, 0, 28),
    }
    assert tuple(n.values()) == wanted[key]
    assert TABLE[key].generated == (n[training_sets.SYNTHETIC] + n[training_sets.RARE] > 0)
    assert TABLE[key].ordinary == key.startswith("ordinary")
    counts = np.bincount(rows, minlength=len(LABELS))
    if "copies" in key:
        own = counts[95:100]
        assert (
            own.sum() == 33 == (LABELS[rows] == 2).sum()
            and np.ptp(own) == 1
            and counts[:95].max() == 1
        )
    else:
        assert counts.max() == 1
    if "filled" in key:
        assert (LABELS[rows] == 2).sum() == 33
    assert set(TABLE[key].rivals) <= set(TABLE) - {key}


def test_which_synthetic_images_are_added_depends_on_the_seed():
    assert not np.array_equal(composed("synthetic_0.5"), composed("synthetic_0.5", 1))
    np.testing.assert_array_equal(composed("synthetic_0.5", 1), composed("synthetic_0.5", 1))


def test_arms_that_are_not_asked_for_are_not_there():
    assert list(training_sets.build_arms((2,))) == ["real", "synthetic_2", "synthetic"]
    assert list(training_sets.build_arms((), 1, False, "a")) == ["real", "copies", "filled"]
    assert training_sets.build_arms((1,), 0, True)["synthetic_1"].rivals == (
        "real",
        "ordinary",
    ) and "ordinary_0" not in training_sets.build_arms((1,), 0, True)
    assert TABLE["ordinary_filled"].rivals == ("real", "ordinary_copies")


@pytest.mark.parametrize(("m", "steps", "batch"), [(7, 10, 3), (100, 4, 8), (1, 3, 2)])
def test_plans_have_one_budget_and_show_every_row_equally_often(m, steps, batch):
    rows = np.arange(m) + 40
    plan = training_sets.plan_minibatches(rows, steps, batch, np.random.default_rng(0))
    counts = np.bincount(plan.ravel() - 40, minlength=m)
    assert plan.shape == (steps, batch) and len(counts) == m and np.ptp(counts) <= 1
    if m == 100:
        assert not np.array_equal(np.sort(plan.ravel()), plan.ravel())


@pytest.mark.parametrize("colors", [1, 3])
def test_what_is_exported_is_read_back(colors, tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (30, 9, 9, colors), dtype=np.uint8)
    labels, classes = (
        rng.permutation(np.repeat([0, 1, 2], [15, 11, 4])),
        ("spiral", "T-shirt/top", "10"),
    )
    (tmp_path / "a.npz").write_bytes(writers.npz_bytes(pictures, labels, classes))
    back = datasets.load(f"npz:{tmp_path}/a.npz", DataOptions(9))
    np.testing.assert_array_equal(back.images, pictures)
    np.testing.assert_array_equal(back.labels, labels)
    assert back.classes == classes
    writers.write_folder(pictures[:5], labels[:5], classes, tmp_path / "set")
    writers.write_folder(
        pictures, labels, classes, tmp_path / "set"
    )  # takes the place of the first
    back = datasets.load(f"folder:{tmp_path}/set", DataOptions(9))
    assert back.classes == ("10", "T-shirt-top", "spiral") and not list(tmp_path.glob(".*"))
    for number, label in ((0, 2), (1, 1), (2, 0)):
        wanted = pictures[labels == label]  # PNG files are colour or grey as the data are
        seen = back.images[back.labels == number]
        np.testing.assert_array_equal(seen[..., :colors], wanted)


def test_classes_that_would_share_a_folder_are_refused():
    with pytest.raises(InputError, match="one folder, a-b"):
        writers.class_folder_names(("a/b", "a-b"))
    assert writers.class_folder_names((".x", "b")) == ["x", "b"]


def test_fractions_are_one_over_whole_numbers():
    assert read_shares("0.01,1,0.1,0.3333") == (1, 3, 10, 100)
    for text in ("0.4", "1.5", "0", "-0.1", "half", "", "0.1,,1"):
        with pytest.raises(InputError, match="--fractions"):
            read_shares(text)


def study(rare=-1, **changes):
    """A Study of the smoke flagfile with other flags."""
    base = read_study("", list(SMOKE))
    return base._replace(flags=dataclasses.replace(base.flags, **changes), rare=rare)


def test_target_of_the_rare_class():
    part = Dataset(np.zeros((100, 8, 8, 1), np.uint8), LABELS[:100], ("a", "b", "c"), "npz:x", "")
    for text, wanted in (("mean", 33), ("max", 50), ("6", 6)):
        assert study(2, rare_to=text).n_rare(part) == wanted
    assert study().n_rare(part) == 0
    for text in ("5", "some", "-3"):
        with pytest.raises(InputError, match=f"--rare_to={text}"):
            study(2, rare_to=text).n_rare(part)


STUDY = (*SMOKE, "--fractions=0.5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    assert helpers.run(command, STUDY, folder) == 0
    return folder


def outcome(folder):
    """What a study ends in, and its synthetic images."""
    synthetic = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("synthetic.npz")
    }
    return *helpers.outcome(folder, "train_s"), synthetic


@pytest.mark.slow
def test_a_study_ends_in_a_page_and_its_images_are_data(whole, capsys):
    results, states, synthetic = outcome(whole)
    half = results["shares"]["2"]
    sets = {"real", "ordinary", "synthetic_0.5", "synthetic_1", "synthetic", "ordinary_1"}
    assert set(half["arms"]) == sets and len(states) == len(synthetic) == 1
    assert half["gan"]["n_real"] == half["gan"]["n_synthetic"] == 120 and not results["failed"]
    helpers.assert_files(whole, "augment.png")
    page = (whole / "report.html").read_text()
    assert "Verdict" in page and page.count("data:image/png") == 1
    assert "http://" not in page.replace("http://www.w3.org", "")
    folder, options = whole / "1_of_2", DataOptions(16)
    npz = datasets.load(f"npz:{folder}/synthetic.npz", options)
    files = datasets.load(f"folder:{folder}/synthetic", options)
    real, _ = run_folder.load_data(*run_folder.load_config(folder / "gan"))
    np.testing.assert_array_equal(
        np.bincount(npz.labels, minlength=5), np.bincount(real.labels, minlength=5)
    )
    assert npz.classes == real.classes
    assert set(files.classes) == {real.classes[i] for i in np.unique(npz.labels)}
    for number, name in enumerate(files.classes):
        own = npz.images[npz.labels == npz.classes.index(name)]
        np.testing.assert_array_equal(files.images[files.labels == number], own)
    assert helpers.run(sample, ["--n=9"], folder / "gan") == 0
    head = class_head(run_folder.load(folder / "gan"))(npz.images)
    assert head.shape == (120,) and set(head) <= set(range(5))


@pytest.mark.slow
def test_a_gan_can_be_scored(whole, capsys):
    words = ["--n_images=60", "--repeats=2", "--scores=kernel,coverage"]
    assert helpers.run(evaluate, words, whole / "1_of_2" / "gan") == 0


@pytest.mark.slow
def test_a_stopped_study_ends_as_if_it_never_stopped(whole, tmp_path, capsys):
    """Stopped by a signal within the GAN, then killed between classifiers.

    Nothing that is finished is made again.
    """
    folder, fit_plan, fitted = tmp_path / "study", classifier_training.fit_plan, []

    def killed(*args):
        fitted.append(args)
        if len(fitted) == 4:
            raise KeyboardInterrupt
        return fit_plan(*args)

    helpers.stop_by_signal(command, STUDY, folder, lambda loop, until: True)
    assert "stopped by SIGTERM" in capsys.readouterr().err
    helpers.interrupt(command, STUDY, folder, classifier_training, "fit_plan", killed)
    out = capsys.readouterr().out
    assert "resumed at step 1 of 12" in out and out.count(": accuracy") == 3
    assert helpers.run(command, STUDY, folder) == 0
    out = capsys.readouterr().out
    assert "compiling" not in out and out.count(": accuracy") == 9
    assert outcome(folder) == outcome(whole)


@pytest.mark.slow
def test_more_seeds_are_added_and_other_settings_refused(whole, capsys):
    before = helpers.outcome(whole)[0]["shares"]["2"]["arms"]
    assert helpers.run(command, [*STUDY, "--seeds=3"], whole) == 0
    out, _ = capsys.readouterr()
    assert "seed 2, real only: accuracy" in out and "seed 1, real only: accuracy" not in out
    for key, rows in helpers.outcome(whole)[0]["shares"]["2"]["arms"].items():
        assert rows["seeds"] == [0, 1, 2]
        assert rows["accuracy"][:2] == before[key]["accuracy"]
    changes = {"--ratios=1": "--ratios=0.5,1, now 1", "--lr=1e-3": "--lr=0.0002, now 0.001"}
    helpers.assert_other_settings_refused(command, STUDY, whole, changes, capsys)


@pytest.mark.slow
def test_a_gan_that_diverges_is_named_and_not_repeated(tmp_path, capsys):
    folder = tmp_path / "study"
    for start in range(2):
        assert helpers.run(command, [*STUDY, "--lr=1e12", "--seeds=1"], folder) == 0
        out = capsys.readouterr().out
        assert "left out: 1_of_2/gan: gan: Player" in out and ("compiling" in out) == (start == 0)
    assert set(helpers.outcome(folder)[0]["shares"]["2"]["arms"]) == {"real", "ordinary"}


@pytest.mark.slow
def test_a_rare_class_is_filled_up_with_a_gan_without_class_head(tmp_path, capsys):
    words = [
        *STUDY,
        "--experiment=cgan",
        "--net=dcgan",
        "--rare=cigar",
        "--ratios=",
        "--seeds=1",
        "--sample_stats=batch",
    ]
    folder = tmp_path / "study"
    assert helpers.run(command, words, folder) == 0
    results, _ = helpers.outcome(folder)
    half = results["shares"]["2"]
    gan = half["gan"]
    assert results["rare"] == "cigar" and gan["head"] is None and 0 <= gan["judge"] <= 1
    of_rare = {"copies", "filled", "ordinary_copies", "ordinary_filled"}
    assert set(half["arms"]) == {"real", "ordinary"} | of_rare
    npz = datasets.load(f"npz:{folder}/1_of_2/synthetic.npz", DataOptions(16))
    cigar = npz.classes.index("cigar")
    assert set(npz.labels) == {cigar}
    assert len(npz.labels) == gan["n_synthetic"] == 24 - gan["counts"][cigar]
