"""The page of a run: what it shows at each stage, its curves, its scores and its neighbours."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gan_jax import errors, images
from gan_jax.data import datasets
from gan_jax.metrics import evaluate, features, memorization, scoring
from gan_jax.report import charts, notebook_html, run_files, run_page, training_curves
from gan_jax.report.verdict import verdict

CLASSES = ("dark", "bright & <odd>")


def make_run(folder, hp=None, steps=1000):
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(
            {
                "experiment": "morpho",
                "method": "distgan",
                "run": {"data": "blocks", "steps": steps, "log_every": 10},
                "hp": hp or {},
                "dataset": {
                    "name": "blocks",
                    "digest": "d",
                    "n": 1234,
                    "size": 8,
                    "colors": 3,
                    "classes": list(CLASSES),
                },
            }
        )
    )
    (folder / "samples").mkdir()
    return folder


def log(folder, steps, **values):
    lines = [
        json.dumps(
            {
                "step": t,
                "disc/loss": 1.0 + 1 / t,
                "gen/loss": 0.7,
                "disc/ran": 1.0,
                **values,
                "wall": {
                    "time": 10 + t,
                    "steps_per_s": 5.5,
                    "images_per_s": 352.0,
                    "compile_s": 8.0,
                    "train_s": t * 0.75,
                    "evaluate_s": 1.0,
                    "checkpoint_s": 0.5,
                },
            }
        )
        for t in steps
    ]
    (folder / "metrics.jsonl").write_text("".join(line + "\n" for line in lines))


def draw_samples(folder, steps):
    for t in steps:
        tiles = np.random.default_rng(t).integers(0, 256, (36, 8, 8, 3), np.uint8)
        images.save_png(folder / "samples" / f"{t:06d}.png", images.grid(tiles, 6))


def make_record():
    def draw(seed, n):
        return (
            np.random.default_rng(seed)
            .choice([40, 200], (n, 1, 1, 1))
            .astype(np.uint8)
            .repeat(4, 1)
            .repeat(4, 2)
        )

    def apply(x):
        bright = x[:, 0, 0, 0] > 120
        return np.stack([x.mean((1, 2, 3)), x[:, 1, 1, 0]], 1), np.stack(
            [~bright, bright], 1
        ).astype(float)

    real = datasets.Dataset(draw(0, 200), None, CLASSES, "blocks", "0123456789abcdef")
    extractor = features.Extractor("net7", 0.875, np.eye(2), CLASSES, apply)
    samplers = {
        "model": lambda seed, n: draw(seed + 9, n),
        "untrained": lambda seed, n: np.zeros((n, 4, 4, 1), np.uint8),
    }
    return evaluate.evaluate(
        scoring.make_evaluator(extractor, real, "frechet,classes"), real, None, samplers, 50, 2, 0
    )


def svg_texts(page):
    """The text of every SVG plot in a page."""
    return [
        base64.b64decode(code).decode()
        for code in re.findall(r"image/svg\+xml;base64,([^\"]+)", page)
    ]


def test_nothing_but_a_configuration(tmp_path):
    path = run_page.write(make_run(tmp_path / "run"))
    page = path.read_text()
    assert path == tmp_path / "run" / "report.html"
    for expected in (
        "morpho on blocks",
        "step 0 of 1,000",
        "not finished",
        "Nothing logged yet",
        "None yet",
        f"python -m gan_jax evaluate {tmp_path / 'run'}",
        "run.log_every",
    ):
        assert expected in page
    assert "Where the time went" not in page and svg_texts(page) == []


def test_commands_on_the_page_work_when_typed(tmp_path):
    """Of a folder with a space, of a run with Python code, and of a run of a study."""
    folder = tmp_path / "my run"
    make_run(folder)
    typed = lambda: [
        html.unescape(x)
        for x in re.findall("<code>(.*?)</code>", run_page.write(folder).read_text())
    ]
    assert f"python -m gan_jax evaluate '{folder}'" in typed()
    assert not any("train" in line for line in typed()), "no training command made it"
    (folder / "flags.txt").write_text("--steps=1000\n")
    go_on = f"python -m gan_jax train morpho '--flagfile={folder}/flags.txt' '--workdir={folder}'"
    assert go_on in typed()
    config = json.loads((folder / "config.json").read_text())
    config["hp"]["loss"] = "python:mine:LOSS"
    (folder / "config.json").write_text(json.dumps(config))
    assert f"{go_on} --trust" in typed() and f"python -m gan_jax sample '{folder}'" in str(typed())
    opening = [x for x in typed() if re.search(" (sample|publish|evaluate) ", x)]
    assert len(opening) == 4 and all(line.endswith("--trust") for line in opening)


def test_no_run_folder_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="is not a run folder"):
        run_page.write(tmp_path)
    (tmp_path / "config.json").write_text("{torn")
    with pytest.raises(errors.InputError, match="cannot be read"):
        run_page.write(tmp_path)


def test_a_full_run_is_one_self_contained_page(tmp_path):
    run = make_run(tmp_path / "run", steps=900)
    log(
        run,
        range(10, 901, 10),
        **{
            "disc/real_prob": 0.6,
            "disc/fake_prob": 0.4,
            "disc/penalty": 0.1,
            "recon/loss": 0.3,
            "recon/gap": 0.01,
            "eval/frechet": 3.0,
        },
    )
    draw_samples(run, range(0, 901, 50))
    (run / "eval.json").write_text(json.dumps(make_record() | {"step": 900}))
    (run / "DONE").write_text("")
    page = run_page.write(run).read_text()
    for expected in (
        "step 900 of 900 · finished",
        "Newest samples, step 900",
        "real (floor)",
        "net7",
        "87.5 %",
        "Scores at step 900",
        "Scores over training",
        "Other logged values",
        "Classes of the samples",
        "Where the time went",
        "910 s over all invocations",
        "5.5 steps/s",
        "675.0 s",
    ):
        assert expected in page
    text = re.sub(r"base64,[^\"]+", "", page)  # in which any three letters may meet
    for absent in ("<script", "http:", "https:", "Not evaluated", "NaN", "2 ln 2"):
        assert absent not in text
    assert set(re.findall(r'src="([^,]{0,30})', page)) == {
        "data:image/png;base64",
        "data:image/svg+xml;base64",
    }
    assert page.count("data:image/png") == 1 + run_page.N_SNAPSHOTS
    # classes; three losses, D's outputs, penalty; one score; one folded away (`ran` is not drawn)
    assert len(svg_texts(page)) == 1 + 5 + 1 + 1


def test_a_page_begins_with_the_command_and_the_verdict(tmp_path):
    """morpho is trained by the method distgan: that is another command's name."""
    run = make_run(tmp_path / "run", steps=900)
    log(run, [10])
    draw_samples(run, [0])
    assert "verdict" not in run_page.write(run).read_text().split("<body>")[1]
    (run / "eval.json").write_text(json.dumps(make_record() | {"step": 900}))
    page = run_page.write(run).read_text()
    found = verdict(make_record())
    assert page.index("<h1>morpho on blocks") < page.index(f'"verdict {found.kind}">{found.text}')
    assert page.index(found.text) < page.index("<h2>Samples</h2>")
    assert "distgan" not in page.partition("<summary>Configuration")[0]
    assert f"<strong>{found.text}</strong>" in notebook_html.run_html(run)
    images = run_page.write_images(run, "pictures").read_text()
    assert images.index("<h1>pictures beside blocks") < images.index(found.text)


@pytest.mark.parametrize("name", ["recon/gap", "gen/diversity", "a/modes", "b/largest_class"])
def test_values_that_only_end_alike_are_not_explained_alike(name):
    """The gap of a reconstruction is not that of D's outputs."""
    end = name.split("/")[1]
    assert training_curves.caption(f"watch/{end}") != training_curves.caption(name)
    assert training_curves.caption(name).startswith(f"{name}, mean over each log interval")
    assert training_curves.caption("gen/loss") == training_curves.caption("recon/loss")
    assert training_curves.caption("eval/loss") == training_curves.caption("eval/frechet")


def test_equal_folders_give_equal_bytes(tmp_path):
    run = make_run(tmp_path / "run")
    log(run, range(10, 101, 10))
    draw_samples(run, [0])
    first = run_page.write(run).read_bytes()
    assert run_page.write(run).read_bytes() == first


def test_torn_and_repeated_lines(tmp_path):
    run = make_run(tmp_path / "run")
    log(run, [10, 20, 30, 20])
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 40, "disc/lo')
    assert [record["step"] for record in run_files.read(run).log] == [10, 20, 30]
    assert "step 30 of" in run_page.write(run).read_text()


def test_snapshots_are_corners_evenly_spaced_in_time(tmp_path):
    run = make_run(tmp_path / "run")
    draw_samples(run, range(0, 2001, 100))
    page = run_page.write(run).read_text()
    shown = [
        int(t.replace(",", "")) for t in re.findall(r"<figcaption>step ([\d,]+)</figcaption>", page)
    ]
    assert len(shown) == 8 and shown[0] == 0 and shown[-1] == 2000
    assert max(np.diff(shown)) - min(np.diff(shown)) <= 100
    corner = base64.b64decode(re.findall(r"image/png;base64,([^\"]+)", page)[-1])
    assert (int.from_bytes(corner[16:20]), int.from_bytes(corner[20:24])) == (
        35,
        35,
    )  # four tiles of 8 and three gaps


def test_long_curves_are_averaged_not_dropped(tmp_path):
    points = np.stack(
        [np.arange(6000), np.random.default_rng(0).random(6000)], 1
    )  # 15 to each of 400
    few = charts.downsample(points)
    assert few.shape == (charts.MAX_POINTS, 2)
    np.testing.assert_allclose(few[1], points[15:30].mean(0))
    np.testing.assert_array_equal(charts.downsample(points[:7]), points[:7])
    run = make_run(tmp_path / "run")
    log(run, range(1, 5001))
    assert run_page.write(run).stat().st_size < 100_000


@pytest.mark.parametrize("values, top", [
    ([802.0, 1.5, 1.4, 1.3, 1.35, 1.2, 1.25, 1.3], 1.6),  # a first value that flattens all
    ([*np.linspace(1, 2, 97), 3.0, 4.0, 900.0], 2.5),
    ([8.0, 4.0, 2.0, 1.0, 0.5], 9),  # a curve that falls is shown whole
    ([1.0, 2.0], 2.1), ([1.0], 1.1), ([3.0] * 9, 3.2),
])  # fmt: skip
def test_a_value_that_would_flatten_a_curve_is_cut_off(values, top):
    axes = Figure().add_subplot()
    axes.plot(values)
    assert charts.cut_extremes(axes, values) == (max(values) > 10)
    assert np.median(values) < axes.get_ylim()[1] <= top


def test_text_from_the_run_is_escaped(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "eval.json").write_text(json.dumps(make_record()))
    config = json.loads((run / "config.json").read_text())
    config["experiment"] = "<script>alert(1)</script>"
    (run / "config.json").write_text(json.dumps(config))
    page = run_page.write(run).read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_record_without_classes(tmp_path):
    run = make_run(tmp_path / "run")
    record = make_record()
    for row in record["rows"].values():
        for name in ("total_variation", "kl", "fractions", "fractions_corrected", "classes_5pct"):
            row.pop(name)
    (run / "eval.json").write_text(json.dumps(record | {"classes": []}))
    page = run_page.write(run).read_text()
    assert (
        "Frechet distance" in page
        and "Classes of the samples" not in page
        and "total variation" not in page
    )


FOUND = {
    "intended": 0.75,
    "intended_per_class": [1.0, 0.5],
    "coverage_per_class": [0.48, None],
    "coverage_real_per_class": [0.96, None],
    "diversity_per_class": [1.25, None],
    "compared_per_class": [90, 3],
    "intended_real": 0.99,
    "intended_real_per_class": [1.0, 0.98],
    "n_per_class": 100,
    "k": 5,
    "control": "as many held-out images",
}


def test_images_asked_for_by_class(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "eval.json").write_text(json.dumps(make_record()))
    assert "asked for" not in run_page.write(run).read_text()
    (run / "eval.json").write_text(json.dumps(make_record() | {"intended": FOUND}))
    page = run_page.write(run).read_text()
    for expected in (
        "75.0 % of the images show the class they were asked for",
        "they cover 50 % of what as many real images",
        "<td>dark</td><td>100.0</td><td>100.0</td><td>0.480</td><td>0.960</td><td>1.250</td>"
        "<td>90</td>",
        "<td>bright &amp; &lt;odd&gt;</td><td>50.0</td><td>98.0</td><td>-</td><td>-</td><td>-</td>"
        "<td>3</td>",
        "neighbour number 5, beside that by as many held-out images of the class",
    ):
        assert expected in page
    assert page.index("Scores") < page.index("asked for") < page.index("<summary>Configuration")


@pytest.mark.long
@pytest.mark.parametrize("heldout", [True, False])
def test_neighbours_follow_the_scores(tmp_path, heldout):
    run, record = make_run(tmp_path / "run"), make_record()
    (run / "eval.json").write_text(json.dumps(record))
    assert "Nearest training images" not in run_page.write(run).read_text()

    def make_source(seed, n):
        images = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3), np.uint8)
        return datasets.Dataset(images, None, (), "noise", f"digest-{seed}")

    extractor = features.Extractor(
        "net7", None, None, (), lambda x: (x[:, 0, :, 0].astype(np.float32), None)
    )
    real, held = make_source(0, 200), make_source(1, 50) if heldout else None
    record["neighbours"], pictures = memorization.detect_copies(
        extractor, real, held, real.images[:30], 0
    )
    (run / "eval.json").write_text(json.dumps(record))
    page = run_page.write(run).read_text()  # the pictures are not there
    assert (
        page.index("Scores")
        < page.index("Nearest training images")
        < page.index("<h2>Training</h2>")
    )
    assert (
        "Signs of copying: 100.0 % of the generated images" in page
        and "generated to 200 training" in page
    )
    assert ("generated to 50 held-out" in page) == heldout and "data:image/png" not in page
    for name, picture in pictures.items():
        images.save_png(run / name, picture)
    page = run_page.write(run).read_text()
    shown = [
        Image.open(io.BytesIO(base64.b64decode(c)))
        for c in re.findall(r"image/png;base64,([^\"]+)", page)
    ]
    np.testing.assert_array_equal(np.concatenate(shown[:2], 1), pictures["neighbours.png"])
    np.testing.assert_array_equal(np.concatenate(shown[2:], 1), pictures["neighbours_real.png"])
    assert page.count("four at random") == 2 and page.count("The same for real images") == 2
