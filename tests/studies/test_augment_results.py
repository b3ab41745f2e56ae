"""S1's study: from classified test images to comparisons, tables, verdicts and the page."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from gan_jax.metrics import exact_tests, significance
from gan_jax.studies import table_format
from gan_jax.studies.augment import page as augment_page
from gan_jax.studies.augment import results as found
from gan_jax.studies.augment import training_sets, verdicts
from gan_jax.studies.augment.classify import is_complete

TABLE = training_sets.build_arms((0.5, 1), 1, True, "cigar")


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
    exact = exact_tests.binomial_interval(15.75, 20)
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
