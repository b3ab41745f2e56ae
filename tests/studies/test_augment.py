"""S1's study: training sets, numbers, tables, and a whole study made, stopped and continued."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from gan_jax.commands import evaluate, sample
from gan_jax.data import datasets, writers
from gan_jax.data.types import DataOptions, Dataset
from gan_jax.errors import InputError
from gan_jax.metrics import significance
from gan_jax.metrics.features import classifier_training
from gan_jax.rundir import run_folder
from gan_jax.studies import table_format
from gan_jax.studies.augment import command, training_sets, verdicts
from gan_jax.studies.augment import page as augment_page
from gan_jax.studies.augment import results as found
from gan_jax.studies.augment.classify import is_complete
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


def test_scores_by_hand():
    confusion = [[8, 2, 0], [0, 5, 5], [1, 0, 3]]
    assert found.score_confusion(confusion) == pytest.approx(
        {"accuracy": 16 / 24, "balanced": (0.8 + 0.5 + 0.75) / 3}
    )
    of_rare = found.score_confusion(confusion, 2)
    assert (of_rare["recall"], of_rare["others"]) == pytest.approx((0.75, 0.65))
    empty = found.score_confusion([[3, 1, 0], [0, 0, 0], [0, 1, 1]], 2)
    assert (empty["balanced"], empty["recall"], empty["others"]) == pytest.approx(
        (0.625, 0.5, 0.75)
    )


OF_RARE = ("copies", "filled", "ordinary_copies")


def alarms(rare):
    """The false alarms up to each of 20 positives: rare of them within 2 of 200, the others not."""
    return [0] * (rare - 1) + [2] + [3] * (20 - rare)


def confusion(right, rare):
    """Counts of 100 test images of each of two classes, 20 of the third.

    right, rare: how many of the first and of the third are classified rightly.
    """
    return [[right, 100 - right, 0], [0, 100, 0], [20 - rare, 0, rare]]


RIGHT = {
    "real": (80, 82, 81, 79),
    "ordinary": (90, 93, 91, 88),
    "synthetic_0.5": (70, 73, 71, 68),
    "synthetic_1": (80, 83, 80, 79),
    "synthetic": (40, 41, 40, 44),
    "ordinary_1": (91, 92, 93, 88),
}
RIGHT |= {
    "copies": (80, 83, 81, 79),
    "filled": (80, 81, 83, 79),
    "ordinary_copies": (85, 88, 86, 84),
}
RARES = {"filled": (14, 18, 16, 15), "copies": (10, 12, 13, 10)}


@pytest.fixture
def folder(tmp_path):
    """Four seeds of all arms for all labels, one of which diverged; a tenth, whose GAN failed."""
    for share in (1, 10):
        place = found.share_folder(tmp_path, share)
        (place / "classifiers").mkdir(parents=True)
        gan = {"n_real": 1000 // share, "counts": [50, 45, 5]}
        judged = {
            "n_synthetic": 120,
            "head": 0.99,
            "head_real": 0.9,
            "judge": 0.5,
            "judge_real": 0.92,
            "judge_per_class": [0.5] * 3,
        }
        judged |= {"train_s": 12.0}
        (place / "gan.json").write_text(
            json.dumps(gan | (judged if share == 1 else {"failed": "it diverged"}))
        )
        for key, seed in itertools.product(RIGHT, range(4)):
            rare = RARES.get(key, (8, 9, 8, 7))[seed]
            record = {"confusion": confusion(RIGHT[key][seed], rare), "alarms": alarms(rare)}
            record = {"failed": "not finite"} if (key, seed) == ("synthetic_1", 3) else record
            if key not in OF_RARE and (share == 1 or not TABLE[key].generated):
                (place / "classifiers" / f"{key}_{seed}.json").write_text(json.dumps(record))
    return tmp_path


def collected(folder, rare=""):
    table = TABLE if rare else training_sets.build_arms((0.5, 1), 1, True)
    return found.collect(folder, table, ("round", "edge-on", "cigar"), rare) | {
        "protocol": "Protocol & more."
    }


def test_comparisons_are_paired_t_tests_that_hold_together(folder):
    results = collected(folder)
    n = len(results["comparisons"])
    assert n == 1 + 2 + 2 + 1 + 2 + 1, (
        "of all labels: five arms, three of them twice; of a tenth: ordinary augmentation"
    )
    accuracy = {
        key: [(right + 100 + r) / 220 for right, r in zip(RIGHT[key], (8, 9, 8, 7), strict=True)]
        for key in RIGHT
    }
    (row,) = found.select_comparisons(results, share="1", arm="ordinary_1", rival="ordinary")
    wanted = stats.ttest_rel(accuracy["ordinary_1"], accuracy["ordinary"])
    together = wanted.confidence_interval(1 - 0.05 / n)
    assert (row["t"], row["p"], row["low"], row["high"]) == pytest.approx(
        (*wanted[:2], together.low, together.high)
    )
    (row,) = found.select_comparisons(results, share="1", arm="synthetic_1", rival="real")
    assert row["n"] == 3 and row["mean"] == pytest.approx(0, abs=1e-12), (
        "the seed that failed is in neither side"
    )
    assert results["failed"] == {
        "1_of_10/gan": "it diverged",
        "1_of_1/classifiers/synthetic_1_3": "not finite",
    }
    assert set(results["shares"]["10"]["arms"]) == {"real", "ordinary"}
    json.dumps(results, allow_nan=False)


def test_tables_verdicts_and_page_follow_the_numbers(folder):
    results = collected(folder)
    gain = found.select_comparisons(results, share="1", arm="ordinary", rival="real")[0]
    low, high = (100 * gain[name] for name in ("low", "high"))
    whole, tenth, readings = map(table_format.markdown, found.tables(results))
    assert f"+4.55 ({low:+.2f} to {high:+.2f})" in whole and "| synthetic only | 4 |" in whole
    assert (
        "| synthetic only | 0 | - | - | - | - |" in tenth
        and "10 % of the labels: 100 images" in tenth
    )
    assert (
        "| 100 % | 1,000 | 99.0 | 90.0 | 50.0 | 92.0 |" in readings
        and "| 10 % | 100 | - | - | - | - | - |" in readings
    )
    said = verdicts.verdicts(results)
    first = next(
        line
        for line in said
        if line.startswith("100 % of the labels: 1,000 images; accuracy against real only (85.7 %)")
    )
    better, worse, unclear = (
        first.index(words) for words in ("better: ", "worse: ", "these seeds cannot tell: ")
    )
    where = {
        text: first.index(text)
        for text in ("ordinary augmentation +", "synthetic only -", "real + 1 synthetic ")
    }
    assert better < where["ordinary augmentation +"] < worse < where["synthetic only -"] < unclear
    assert f"Bonferroni, {len(results['comparisons'])} comparisons" in "\n".join(said)
    assert any(
        "D's class head takes 99.0 %" in line and "50.0 % for it (right on 92.0 %" in line
        for line in said
    )
    assert said[0] == (
        "Synthetic images added to real ones, accuracy: against real only -4.5 to +4.8 points, "
        "better in 1 and worse in 1 of "
        "3; against the alternative -9.1 to +0.2 points, better in none and worse in 1 of 3."
    ), "without synthetic images alone; a difference that is the same in all seeds has no interval"
    assert "Failed, and left out: 1_of_10/gan: it diverged." in said
    page = augment_page.document(results, folder)
    assert (
        "Protocol &amp; more." in page and page.count("data:image/svg") == 2 and "<svg" not in page
    )
    augment_page.draw(results, folder / "plot.png")
    assert Image.open(folder / "plot.png").width > 800


def test_a_rare_class_is_compared_by_its_recall_and_that_of_the_others(folder):
    place = found.share_folder(folder, 1) / "classifiers"
    for key, seed in itertools.product(OF_RARE, range(4)):
        rare = RARES.get(key, (8, 9, 8, 7))[seed]
        record = {"confusion": confusion(RIGHT[key][seed], rare), "alarms": alarms(rare)}
        (place / f"{key}_{seed}.json").write_text(json.dumps(record))
    results = collected(folder, "cigar")
    (recall,) = found.select_comparisons(
        results, share="1", arm="filled", rival="copies", measure="recall"
    )
    wanted = stats.ttest_rel(np.array(RARES["filled"]) / 20, np.array(RARES["copies"]) / 20)
    assert (recall["mean"], recall["t"]) == pytest.approx((0.225, wanted.statistic))
    (others,) = found.select_comparisons(
        results, share="1", arm="filled", rival="copies", measure="others"
    )
    assert others["mean"] == pytest.approx(
        np.mean(np.subtract(RIGHT["filled"], RIGHT["copies"])) / 200
    )
    head = found.share_rows(results, "1")[0]
    assert head[2:4] == [
        "recall of cigar, %",
        "mean recall of the other classes, %",
    ] and head.count("recall of cigar against real only")
    row = next(row for row in found.share_rows(results, "1") if row[0] == "synthetic cigar")
    assert row[head.index("recall of cigar against the alternative")].startswith("+22.50 (")
    said = next(
        line
        for line in verdicts.verdicts(results)
        if "synthetic cigar against copies of cigar, in points" in line
    )
    assert (
        "recall of cigar (56.2 %) +22.50 (" in said
        and "mean recall of the other classes (90.4 %) +0.00" in said
    )
    assert augment_page.document(results, folder).count("data:image/svg") == 6
    assert results["test"] == {"own": 20, "others": 200}
    assert results["shares"]["1"]["arms"]["filled"]["detected"] == [r / 20 for r in RARES["filled"]]
    (said,) = [
        line for line in verdicts.verdicts(results) if "Clopper" in line and "100 % of" in line
    ]
    assert "where 2 of 200 others may be taken for it" in said
    exact = significance.binomial_interval(15.75, 20)
    mean = significance.interval_text(np.array(RARES["filled"]) / 20, 2, 0, 1, 100)
    assert (
        f"synthetic cigar {mean}, {100 * exact[0]:.0f} to {100 * exact[1]:.0f} by the test images"
        in said
    )


def test_the_classification_accuracy_score_stands_beside_real_and_both(folder):
    (said,) = [
        line for line in verdicts.verdicts(collected(folder)) if "classification accuracy" in line
    ]
    values = found.collect(folder, TABLE, ("round", "edge-on", "cigar"))["shares"]["1"]["arms"]
    text = {
        key: significance.interval_text(values[key]["accuracy"], 2, 0, 1, 100)
        for key in ("synthetic", "real", "synthetic_0.5", "synthetic_1")
    }
    assert f"generated images alone: {text['synthetic']}; real only {text['real']}" in said
    assert f"real + 1 synthetic {text['synthetic_1']}." in said


def test_a_classifier_without_the_false_alarms_of_a_rare_class_is_trained_again(tmp_path):
    path = tmp_path / "real_0.json"
    assert not is_complete(path, -1)
    path.write_text(json.dumps({"confusion": confusion(80, 8)}))
    assert is_complete(path, -1) and not is_complete(path, 2)
    path.write_text(json.dumps({"confusion": confusion(80, 8), "alarms": alarms(8)}))
    assert is_complete(path, 2)
    path.write_text(json.dumps({"failed": "not finite"}))
    assert is_complete(path, 2)


def test_no_interval_no_word_of_one(tmp_path):
    place = found.share_folder(tmp_path, 1) / "classifiers"
    place.mkdir(parents=True)
    (place.parent / "gan.json").write_text(
        json.dumps({"n_real": 10, "counts": [5, 5, 0], "failed": "why"})
    )
    for key in ("real", "ordinary"):
        (place / f"{key}_0.json").write_text(json.dumps({"confusion": confusion(80, 8)}))
    results = collected(tmp_path)
    said = "\n".join(verdicts.verdicts(results))
    assert "these seeds cannot tell: ordinary augmentation +0.00." in said and "95 %" not in said
    nothing = found.collect(tmp_path / "none", TABLE, "abc") | {"protocol": ""}
    assert verdicts.verdicts(nothing) == found.tables(
        nothing
    ) == [] and "Verdict" in augment_page.document(nothing, tmp_path)
    augment_page.draw(nothing, tmp_path / "plot.png")


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
