"""Comparison of runs: groups, protocols, tests of differences, and the page."""

import base64
import dataclasses
import json
import math
import pathlib
import re

import numpy as np
import pytest

from gan_jax import cache, config, images, methods
from gan_jax.commands import compare as command
from gan_jax.commands import process
from gan_jax.errors import InputError
from gan_jax.metrics import significance
from gan_jax.report import charts, compare, compare_page
from gan_jax.settings import RunSettings

DATASET = {
    "name": "blocks",
    "digest": "d",
    "n": 100,
    "size": 8,
    "colors": 3,
    "classes": [],
    "counts": [],
}
PROTOCOL = {
    "n_real": 100, "n_fake": 50, "repeats": 1, "seed": 0, "floor": "held-out images",
    "collapsed": "8 images, repeated", "net": "random", "net_accuracy": None, "n_features": 4,
    "resize": "none", "split": "train", "size": 8, "data": "blocks", "digest": "d",
    "reference": {"sha256": "0123456789abcdef", "mean": 1.0, "variance": 2.0}, "ema": True,
    "sample_stats": "running",
}  # fmt: skip


def record(frechet, recall=None, **protocol):
    def row(value, **more):
        scores = {"frechet": value} | ({} if recall is None else {"recall": recall})
        return {"n_real": 100, "n_fake": 50, "repeats": 1, **scores, **more}

    rows = {
        "real": row(0.1),
        "model": row(frechet, frechet_se=0.2),
        "untrained": row(50.0),
        "collapsed": row(40.0),
    }
    return {"protocol": PROTOCOL | protocol, "classes": [], "rows": rows, "step": 20}


def make_run(folder, seed=0, experiment="dcgan", scored=None, **hp):
    """A finished run folder of 20 steps, as training and evaluation leave it."""
    folder = pathlib.Path(folder)
    run = RunSettings(data="npz:blocks.npz", size=8, batch=4, steps=20, seed=seed)
    hp = dataclasses.replace(methods.TABLE["gan"].Settings(), **hp)
    stored = config.Config(experiment, "gan", run, hp).to_dict() | {"dataset": DATASET}
    (folder / "samples").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(stored))
    rows = [
        {"step": t, "disc/loss": seed + 1 / t, "gen/loss": 0.7, "wall": {"train_s": t}}
        for t in (10, 20)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tiles = np.random.default_rng(seed).integers(0, 256, (4, 8, 8, 3), np.uint8)
    images.save_png(folder / "samples" / "000020.png", images.grid(tiles, 2))
    (folder / "DONE").write_text("")
    if scored is not None:
        cache.write_atomic(folder / "eval.json", json.dumps(scored))
    return folder


def systems(tmp_path, a=(5.0, 5.2, 5.1), b=(9.0, 9.3, 9.1)):
    folders = [make_run(tmp_path / f"a{i}", i, scored=record(x)) for i, x in enumerate(a)]
    folders += [make_run(tmp_path / f"b{i}", i, scored=record(x), lr=1e-3) for i, x in enumerate(b)]
    return folders


def test_runs_that_differ_in_their_seed_alone_are_one_system(tmp_path):
    folders = systems(tmp_path)
    found = compare.group_runs(
        [
            compare.read_run(f)
            for f in [folders[2], folders[4], folders[0], folders[1], folders[5], folders[3]]
        ]
    )
    assert [s.name for s in found] == ["dcgan lr=0.0002", "dcgan lr=0.001"]
    assert [[m.folder.name for m in s.runs] for s in found] == [
        ["a0", "a1", "a2"],
        ["b0", "b1", "b2"],
    ]
    np.testing.assert_array_equal(compare.score_values(found[1], "frechet"), [9.0, 9.3, 9.1])
    steps, losses = compare.logged_values(found[0], "disc/loss")
    np.testing.assert_array_equal(steps, [10, 20])
    np.testing.assert_allclose(losses, [[0.1, 0.05], [1.1, 1.05], [2.1, 2.05]])


def test_other_experiments_are_named_by_themselves_and_how_it_runs_does_not_matter(tmp_path):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b", experiment="gan", width=8)
    raw = json.loads((b / "config.json").read_text())
    raw["run"]["devices"] = 1
    (b / "config.json").write_text(json.dumps(raw))
    assert [s.name for s in compare.group_runs([compare.read_run(a), compare.read_run(b)])] == [
        "dcgan",
        "gan",
    ]
    c = make_run(tmp_path / "c", 1, experiment="gan", width=8)
    assert len(compare.group_runs([compare.read_run(b), compare.read_run(c)])) == 1


def grouped(*folders):
    return compare.group_runs([compare.read_run(folder) for folder in folders])


def many_flags(**more):
    flags = {"lr": 1e-3, "beta1": 0.9, "z_dim": 20, "init": "normal", "disc_norm": "none"}
    return flags | more


def test_systems_that_differ_in_many_flags_are_named_by_their_folders(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    folders = [make_run(tmp_path / "first" / f"wide_{i}", i, **many_flags()) for i in range(2)]
    folders.append(make_run(tmp_path / "first" / "narrow", width=8))
    assert [s.name for s in grouped(*folders)] == ["wide", "narrow"]
    folders.append(make_run(tmp_path / "second" / "narrow", width=16))
    assert [s.name for s in grouped(*folders)] == ["first/wide", "first/narrow", "second/narrow"]
    folders.append(make_run(tmp_path / "short", experiment="gan"))
    assert grouped(*folders)[-1].name == "gan", "a command of its own keeps its name"


def test_a_long_value_is_shown_whole_or_not_at_all(tmp_path):
    """Twelve characters of a name of data were all that was shown."""
    a, b = (make_run(tmp_path / name) for name in ("a", "b"))
    for folder, name in ((a, "folder:/a/b/galaxies_of_one"), (b, "folder:/a/b/galaxies_of_two")):
        raw = json.loads((folder / "config.json").read_text())
        raw["dataset"] |= {"name": name, "digest": name}
        (folder / "config.json").write_text(json.dumps(raw))
    assert [s.name for s in grouped(a, b)] == [
        "dcgan data=folder:/a/b/galaxies_of_one",
        "dcgan data=folder:/a/b/galaxies_of_two",
    ]
    page = compare_page.document(grouped(a, b), [])
    assert "2 runs of 2 systems on folder:/a/b/galaxies_of_one, folder:/a/b/galaxies_of_two" in page
    assert "2 data sets, so that no value compares" in page


def test_a_run_from_before_a_setting_is_of_the_same_system(tmp_path):
    a = make_run(tmp_path / "a", ema_warmup=False)
    b = make_run(tmp_path / "b", 1, ema_warmup=False)
    raw = json.loads((b / "config.json").read_text())
    del raw["hp"]["ema_warmup"]
    (b / "config.json").write_text(json.dumps(raw))
    assert len(grouped(a, b)) == 1 and len(grouped(b, make_run(tmp_path / "c", 2))) == 2


def test_settings_that_an_old_run_does_not_name_have_their_defaults(tmp_path):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b", 1)
    raw = json.loads((b / "config.json").read_text())
    for group, name in (("run", "patches"), ("run", "freeze_disc"), ("hp", "vicinity")):
        del raw[group][name]
    (b / "config.json").write_text(json.dumps(raw))
    assert len(grouped(a, b)) == 1
    c = make_run(tmp_path / "c", 2, vicinity=1.0)
    assert [system.name for system in grouped(b, c)] == ["dcgan vicinity=0.0", "dcgan vicinity=1.0"]
    raw["method"] = "python:mine:METHOD"  # whose code says which settings it has
    (b / "config.json").write_text(json.dumps(raw))
    assert "vicinity" not in compare.system_settings(compare.read_run(b))


def labels_of(chart):
    """The words in a chart of a page, as SVG has them."""
    return re.findall(r"<!-- (.*?) -->", base64.b64decode(chart).decode())


def test_charts_show_names_whole_and_in_colours_of_their_own(tmp_path):
    values = [
        {"width": 4 + i, "lr": i / 1e3, "z_dim": 20 + i, "lambda_p": 3.0 + i} for i in range(12)
    ]
    stem = tmp_path / "a_system_whose_name_is_rather_long"
    folders = [make_run(f"{stem}_{i}x", **flags) for i, flags in enumerate(values)]
    page = compare_page.document(grouped(*folders), [])
    chart = next(
        found
        for found in re.findall(r"svg\+xml;base64,([^\"]+)", page)
        if "gen/loss" in labels_of(found)
    )
    shown = "".join(labels_of(chart))
    assert all(f"long_{i}x" in shown for i in range(12))
    styles = {(charts.color(i), charts.line(i)) for i in range(12)}
    assert len(styles) == 12 and len({charts.color(i) for i in range(10)}) == 10


def test_intervals_of_a_chart_stay_within_what_can_be(tmp_path):
    made = record(0.1)
    made["rows"]["model"] |= {"recall": 0.99, "recall_se": 0.2}
    (system,) = grouped(make_run(tmp_path / "a", scored=made))
    factor = np.exp(1.96 * 0.2 / 0.1)
    wanted = [[0.1 / factor, 0.1 * factor]]
    np.testing.assert_allclose(compare.score_intervals(system, "frechet"), wanted)
    ((low, high),) = compare.score_intervals(system, "recall")
    assert 0 <= low < 0.99 < high <= 1


def test_the_same_run_twice_is_refused(tmp_path):
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    with pytest.raises(InputError, match=r"a and .*b are the same run twice \(seed 0\)"):
        compare.group_runs([compare.read_run(a), compare.read_run(b)])


@pytest.mark.parametrize(
    ("other", "advice"),
    [
        ({"n_fake": 60}, "Evaluate both alike"),
        ({"net": "classifier-1"}, "Evaluate both alike"),
        ({"ema": False}, "Evaluate both alike"),
        ({"size": 16}, "Compare runs whose --data and --size are equal"),
        ({"data": "folder:b", "digest": "d2", "n_fake": 60}, "Compare runs whose --data"),
    ],
)
def test_scores_of_other_protocols_do_not_share_a_table(tmp_path, other, advice):
    a, b = (
        make_run(tmp_path / "a", scored=record(5.0)),
        make_run(tmp_path / "b", 1, scored=record(5.0, **other)),
    )
    with pytest.raises(InputError, match=rf"cannot share a table: .*\. {advice}"):
        compare.require_one_protocol(compare.group_runs([compare.read_run(a), compare.read_run(b)]))


def test_verdicts_over_seeds_and_between_two_runs(tmp_path):
    found = compare.group_runs([compare.read_run(f) for f in systems(tmp_path)])
    assert compare.verdicts(found, "frechet") == [
        significance.compare_seeds(
            "dcgan lr=0.0002",
            [5.0, 5.2, 5.1],
            "dcgan lr=0.001",
            [9.0, 9.3, 9.1],
            "Frechet distance",
            3,
            limits=(0, math.inf),
        )
    ]
    assert "dcgan lr=0.0002 is better" in compare.verdicts(found, "frechet")[0]
    single = compare.group_runs(
        [compare.read_run(tmp_path / "a0"), compare.read_run(tmp_path / "b0")]
    )
    assert (
        "-4.000 (95 % interval from sampling -4.554 to -3.446): these two runs differ"
        in compare.verdicts(single, "frechet")[0]
    )


def test_a_single_seed_beside_several_tells_nothing_of_trainings(tmp_path):
    """And the difference is that of the means, as in the table."""
    folders = [
        make_run(tmp_path / f"a{i}", i, scored=record(x, 0.5), width=8)
        for i, x in enumerate((1.0, 9.0, 9.0))
    ]
    folders.append(make_run(tmp_path / "b", 0, scored=record(5.0, 0.5), width=16))
    found = compare.group_runs([compare.read_run(f) for f in folders])
    assert compare.verdicts(found, "frechet") == [
        "dcgan width=8 against dcgan width=16, Frechet distance: 1.27 times (no interval without "
        "spread: nothing follows)."
    ]


def test_many_single_runs_have_intervals_that_hold_together(tmp_path):
    folders = [
        make_run(tmp_path / f"{width}", 0, scored=record(float(width), 0.5), width=width)
        for width in (8, 16, 32)
    ]
    found = compare.group_runs([compare.read_run(f) for f in folders])
    said = compare.verdicts(found, "frechet")
    assert len(said) == 3 and all("one of 3 that hold together)" in line for line in said)


def test_more_is_better_for_some_scores(tmp_path):
    folders = [make_run(tmp_path / f"{c}{i}", i, scored=record(1.0, x + 0.01 * i), width=w)
               for c, x, w in (("a", 0.3, 8), ("b", 0.8, 16)) for i in range(3)]  # fmt: skip
    found = compare.group_runs([compare.read_run(f) for f in folders])
    assert compare.verdicts(found, "recall")[0].endswith("dcgan width=16 is better.")
    assert "recall (higher is better)" in compare.format_scores(found)


def run(argv, capsys):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "prepare_jax", lambda: None)
        code = process.guarded(command.run, [str(word) for word in argv])
    return code, capsys.readouterr()


def test_command_writes_table_and_page(tmp_path, capsys):
    out = tmp_path / "out"
    code, said = run([*systems(tmp_path), f"--out={out}"], capsys)
    assert (
        code == 0
        and "Frechet distance (lower is better)" in said.out
        and "5.1000 +- 0.1000" in said.out
    )
    page = (out / "compare.html").read_text()
    for expected in (
        "dcgan lr=0.0002 against dcgan lr=0.001",
        "Samples",
        "Is the difference real?",
        "What differs",
        "0.001",
    ):
        assert expected in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "<script" not in page
    found = json.loads((out / "compare.json").read_text())["scores"]["frechet"]
    assert found["dcgan lr=0.001"] == [9.0, 9.3, 9.1] and len(found["verdicts"]) == 1


@pytest.mark.parametrize("n, heads", [(2, ["", "dcgan width=8", "dcgan width=9"]), (5, None)])
def test_settings_have_rows_or_systems_where_those_are_more(tmp_path, n, heads):
    widths = range(8, 8 + n)
    runs = grouped(*(make_run(tmp_path / str(width), width=width) for width in widths))
    section = compare_page.document(runs, []).partition("What differs")[2]
    heads = heads or ["", "width", "training, minutes", "runs"]
    assert re.findall("<th>(.*?)</th>", section) == heads
    firsts = re.findall("<tr><td>(.*?)</td>", section)
    systems = [f"dcgan width={width}" for width in widths]
    assert firsts == (["width", "training, minutes", "runs"] if n == 2 else systems)


def test_one_scored_run_has_no_boxes(tmp_path):
    """There is nothing to compare: its scores are in the table."""
    folders = [make_run(tmp_path / "a", scored=record(5.0)), make_run(tmp_path / "b", 1)]
    page = compare_page.document(grouped(*folders, make_run(tmp_path / "c", width=8)), ["frechet"])
    assert 'class="card score"' not in page and "Is the difference real?" not in page
    assert f"Only {folders[0]} is scored" in page and "<td>5</td>" in page
    wide = make_run(tmp_path / "e", width=16)
    two = [folders[0], make_run(tmp_path / "d", 1, scored=record(5.1)), wide]
    page = compare_page.document(grouped(*two), ["frechet"])
    assert page.count('class="card score"') == 1 and "Is the difference real?" not in page
    assert f"Without scores: {wide}." in page
    chart = re.findall(r"svg\+xml;base64,([^\"]+)", page)[0]
    assert "dcgan width=64" in labels_of(chart) and "dcgan width=16" not in labels_of(chart)


def test_unscored_runs_are_shown_without_scores(tmp_path, capsys):
    folders = [make_run(tmp_path / "a"), make_run(tmp_path / "b", 1)]
    code, said = run([*folders, f"--out={tmp_path / 'out'}"], capsys)
    assert code == 0 and f"gan_jax evaluate {folders[0]}" in said.err
    assert "None yet" in (tmp_path / "out" / "compare.html").read_text()


@pytest.mark.parametrize(
    "argv, message",
    [
        ([], "Name two or more run folders"),
        (["a"], "Name two or more run folders"),
        (["nowhere", "neither"], "is not a run folder"),
        (["a", "torn"], "run `python -m gan_jax evaluate torn` again"),
        (["a", "b", "--what=1"], "what"),
    ],
)
def test_refusals(tmp_path, capsys, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "a")
    (make_run(tmp_path / "torn", 1) / "eval.json").write_text('{"rows":')
    code, said = run(argv, capsys)
    assert code == 2 and message in said.err and said.err.count("\n") == 1
