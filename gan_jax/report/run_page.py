"""The report page of a run, and of scored images: built of the files of their folder alone."""

import os
import pathlib
import shlex

import numpy as np
from PIL import Image

from gan_jax import cache, images
from gan_jax.data import titles
from gan_jax.metrics import memorization
from gan_jax.report import page, parts, run_files, score_html, training_curves
from gan_jax.rundir import config_file, health
from gan_jax.settings import Size

N_SNAPSHOTS = 8
SNAPSHOT_TILES = 4  # rows and columns of a grid that a snapshot shows
ACTIVITIES = ("compile", "train", "watch", "sample", "evaluate", "checkpoint")


def write(workdir: str | os.PathLike) -> pathlib.Path:
    """Write report.html into a run folder, whatever is there: from no logged step to all scores.

    Equal files give equal bytes.

    Returns:
      Path of report.html.

    Raises:
      InputError: the folder is not a run.
    """
    run = run_files.read(pathlib.Path(workdir))
    dataset = run.config["dataset"]
    return _write(
        run.folder,
        f"{run.config['experiment']} on {titles.title(dataset['name'])}",
        page.note(_facts(run)),
        score_html.verdict_paragraph(run.evaluation),
        warnings_section(run.log),
        samples_section(run.samples, Size.of(dataset["size"])),
        evaluation_sections(run.evaluation, run.folder, config_file.trust_words(run.config)),
        training_curves.training_section(run.config, run.log),
        timing_section(run.log),
        next_section(run),
        page.details("Configuration", page.table(flatten(run.config), n_heads=0, prose=True)),
    )


def write_images(folder: str | os.PathLike, name: str = "") -> pathlib.Path:
    """Write report.html about scored images whose folder is no run.

    Args:
      folder: holds eval.json and, of images, images.png.
      name: what the images are; "" for the name in the protocol.

    Returns:
      path of report.html.
    """
    folder = pathlib.Path(folder)
    evaluation = run_files.read_evaluation(folder)
    protocol = evaluation["protocol"]
    picture = page.Html()
    if (folder / "images.png").exists():
        grid = page.sample_grid(folder / "images.png", "images", 720)
        caption = "Some of the images that were scored."
        picture = page.section("Images", page.figure(grid, caption, "card sheet"))
    return _write(
        folder,
        f"{name or protocol['images']} beside {protocol['data']}",
        score_html.verdict_paragraph(evaluation),
        picture,
        evaluation_sections(evaluation, folder),
    )


def _write(folder, title, *parts):
    path = folder / "report.html"
    cache.write_atomic(path, page.document(title, *parts))
    return path


def _facts(run):
    """What the run is, and how far it got, in one line."""
    step = max(
        [record["step"] for record in run.log[-1:]] + [step for step, _ in run.samples[-1:]],
        default=0,
    )
    dataset, steps = run.config["dataset"], run.config["run"]["steps"]
    return (
        f"{dataset['n']:,} images · {dataset['size']} px · step {step:,} of {steps:,} · "
        f"{'' if run.finished else 'not '}finished"
    )


def warnings_section(log: list[dict]) -> page.Html:
    """Show the warnings of the monitor, and when they held; nothing where there were none."""
    rows = []
    for warning, first, last in health.episodes(log):
        when = f"step {first:,} to {last:,}" if last else f"since step {first:,}"
        rows.append([when, warning, health.meaning(warning)])
    head = ["when", "what", "meaning"]
    return page.section("Warnings", page.table([head, *rows], prose=True) if rows else "")


def samples_section(samples: list[tuple[int, pathlib.Path]], hw: Size) -> page.Html:
    """Show the newest sample grid, and a corner of up to N_SNAPSHOTS grids over time.

    Args:
      samples: see run_files.RunFiles.
      hw: size of an image in pixels.
    """
    if not samples:
        text = "None yet: training writes a grid every --sample_every steps and at its end."
        return page.section("Samples", page.paragraph(text))
    step, path = samples[-1]
    newest = page.figure(
        page.sample_grid(path, f"samples at step {step}", 720),
        f"Newest samples, step {step:,}. Look for variety as well as quality: near copies of one "
        "picture are mode collapse.",
        "card sheet",
    )
    corner = Size(*(SNAPSHOT_TILES * (side + images.GAP) - images.GAP for side in hw))
    shown = np.unique(np.linspace(0, len(samples) - 1, N_SNAPSHOTS).round().astype(int))
    snapshots = [
        page.figure(page.sample_grid(path, "", 250, corner), f"step {step:,}", "")
        for step, path in (samples[i] for i in shown)
    ]
    advice = (
        "The upper left corner of each grid. Large shapes come first, details later; pictures "
        "that become alike, or noisy again, show a run that went wrong."
    )
    return page.join([
        page.section("Samples", newest),
        page.section("Samples over time", page.grid(snapshots, "snaps"), page.note(advice)),
    ])  # fmt: skip


def evaluation_sections(
    evaluation: dict | None, folder: pathlib.Path, trust: list[str] | None = None
) -> page.Html:
    """Show an evaluation, or the command that makes one.

    Args:
      evaluation: eval.json, or None.
      folder: where the pictures of neighbours are.
      trust: words that the command needs besides the folder, see config_file.trust_words.
    """
    if evaluation is None:
        words = shlex.join(["evaluate", str(folder), *(trust or ())])
        command = page.element("code", f"python -m gan_jax {words}")
        text = "Not evaluated yet; this adds scores, a floor and two controls: "
        return page.section("Scores", page.paragraph(text, command))
    sections = [
        score_html.classes_section(evaluation) if evaluation["classes"] else "",
        score_html.scores_section(evaluation),
    ]
    return page.join([*sections, *(part_section(part, folder) for part in parts.of(evaluation))])


def part_section(part: parts.Filled, folder: pathlib.Path) -> page.Html:
    """Show a part of an evaluation; arguments as in `evaluation_sections`."""
    pictures = [
        figure
        for name, kind in zip(memorization.PICTURE_FILES, ("Generated", "Real"), strict=True)
        if part.key == "neighbours" and (folder / name).exists()
        for figure in _neighbour_figures(folder / name, kind)
    ]
    return page.section(
        part.title,
        page.paragraph(page.strong(part.finding)) if part.finding else "",
        page.grid(pictures, "pairs") if pictures else "",
        *map(page.table, part.tables),
        page.note(part.protocol),
    )


def _neighbour_figures(path, kind):
    """Cut a picture of neighbours between the two distances, so that they fit on a phone."""
    caption = {
        "Generated": (
            "Generated images and the training images nearest by {}, with distances; four at "
            "random, then the four that match a single image most. A copy has a first neighbour "
            "that is the same picture, far nearer than the others."
        ),
        "Real": (
            "The same for real images, which are not found themselves: what near means by {} "
            "where nothing is copied."
        ),
    }[kind]
    halves = np.split(np.asarray(Image.open(path)), 2, 1)
    for half, word in zip(halves, memorization.DISTANCES.values(), strict=True):
        alt = f"{kind} images and the nearest by {word}"
        yield page.figure(page.image(images.encode_png(half), "png", alt), caption.format(word))


def timing_section(log: list[dict]) -> page.Html:
    """Show the seconds of each activity over all starts, from the newest record."""
    wall = log[-1].get("wall", {}) if log else {}
    if not wall.get("time"):
        return page.Html()
    spent = {name: wall[f"{name}_s"] for name in ACTIVITIES if f"{name}_s" in wall}
    spent["other"] = max(wall["time"] - sum(spent.values()), 0)
    rows = []
    for name, seconds in spent.items():
        share = min(100 * seconds / wall["time"], 100)
        bar = page.element("div", css="bar", style=f"width:{share:.1f}%")
        cell = page.element("td", bar, css="wide")
        rows.append([name, f"{seconds:,.1f} s", f"{share:.1f} %", cell])
    text = (
        f"{wall['time']:,.0f} s over all invocations; at the end {wall.get('steps_per_s', 0):.3g} "
        f"steps/s, {wall.get('images_per_s', 0):.4g} images/s."
    )
    return page.section("Where the time went", page.table(rows, n_heads=0), page.note(text))


def next_section(run: run_files.RunFiles) -> page.Html:
    """Show what can be done with the run now, as commands to type."""
    folder, trust = str(run.folder), config_file.trust_words(run.config)
    words = config_file.resume_words(run.folder, run.config)
    commands = {}
    if words and not run.finished:
        commands["Go on with the training:"] = ["train", *words]
    commands |= {
        "100 images as PNG files:": ["sample", folder, "--n=100", "--form=folder", *trust],
        "Scores, with fresh samples:": ["evaluate", folder, *trust],
        "Side by side with other runs:": ["compare", folder, "OTHER"],
        "A folder to share:": ["publish", folder, *trust],
    }
    rows = [
        [text, page.element("td", page.element("code", f"python -m gan_jax {shlex.join(words)}"))]
        for text, words in commands.items()
    ]
    return page.section("What next", page.table(rows, n_heads=0))


def flatten(settings: dict, prefix: str = ""):
    """Yield [dotted name, text] of every setting of a nested dict."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield [prefix + name, text]
