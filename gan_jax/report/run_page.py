"""One HTML page about a run, made from the files of its folder alone: no network, no script, pictures inside."""

import html
import json
import pathlib

import numpy as np
from matplotlib import ticker
from PIL import Image

from gan_jax import cache, images
from gan_jax.metrics import class_accuracy, colorization, memorization
from gan_jax.report import page, score_html
from gan_jax.rundir import config_file, health, log

N_SNAPSHOTS = 8
N_TILES = 4  # a snapshot shows this many rows and columns of its grid

CAPTIONS = {
    "loss": "Depends on the opponent too: it should stay bounded; lower does not mean better pictures.",
    "prob": "The discriminator's mean output, 1 = surely real. At equilibrium all meet at 0.5 (dashed).",
    "penalty": "Penalty on the discriminator's slope, before its weight: it should settle, not grow.",
    "diversity": "How much generated images differ from one another; 1 = as much as the data do. Falling far is mode collapse.",
    "gap": "D's mean output for real images less that for generated ones: 1 = it has won, 0 = it cannot tell.",
    "modes": "Classes that hold 1 % of the generated images or more.",
    "largest_class": "Share of the most frequent class among the generated images.",
    "eval": "Scored while training: compare along this curve, never with scores from other numbers of images.",
}


def read(workdir):
    """What a run folder holds: (config, rows of metrics.jsonl by step, [(step, PNG path)], eval record or None).

    Lines that a crash has torn are left out; of rows with the same step the last counts.

    Raises:
      InputError: no config.json, or one that is not JSON.
    """
    config = config_file.read(workdir)
    rows = {row["step"]: row for row in log.read(workdir / "metrics.jsonl")}
    scored = workdir / "eval.json"
    samples = sorted(
        (int(p.stem), p) for p in (workdir / "samples").glob("*.png") if p.stem.isdigit()
    )
    record = json.loads(scored.read_text()) if scored.exists() else None
    return config, [rows[step] for step in sorted(rows)], samples, record


def curve(rows, names, level=None, band=None):
    """Logged values over steps, as <img>; level: a dashed line at a known value; band: (low, high), shaded."""

    def draw(axes):
        for i, name in enumerate(names):
            points = page.thin(
                np.array([(row["step"], row[name]) for row in rows if name in row], float)
            )
            axes.plot(
                *points.T,
                color=page.COLORS[i % len(page.COLORS)],
                lw=1.3,
                label=name.split("/")[-1],
                marker="o" if len(points) < 25 else None,
                ms=3,
            )
        if level is not None:
            axes.axhline(level, color=page.INK, lw=1, ls="--")
        cut = page.frame(axes, [row[name] for row in rows for name in names if name in row])
        if band is not None:
            bottom, top = axes.get_ylim()
            room = 0.15 * (top - bottom)  # the range's edge shows where all values lie outside
            bottom, top = min(bottom, band[1] - room), max(top, band[0] + room)
            axes.axhspan(
                max(bottom, band[0]), min(top, band[1]), color=page.COLORS[2], alpha=0.14, lw=0
            )
            axes.set_ylim(bottom, top)
        if len(names) == 1:
            axes.set_title(
                names[0] + (" (extremes cut off)" if cut else ""), fontsize=10, loc="left"
            )
        axes.set_xlabel("step")
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))

    return page.embed(page.chart(draw), "svg+xml", ", ".join(names) + " over steps")


def sheet(path, alt, shown, side=None):
    """A sample grid, or its upper left corner of so many pixels; sharp pixels where shown larger than it is."""
    grid = np.asarray(Image.open(path))[:side, :side]
    return page.embed(images.png(grid), "png", alt, "pixel" if grid.shape[1] < shown else "")


def pictures(config, samples):
    """The newest grid, enlarged, and a corner of up to N_SNAPSHOTS grids over time."""
    if not samples:
        return "<h2>Samples</h2><p>None yet: training writes a grid every --sample_every steps and at its end.</p>"
    side = N_TILES * (config["dataset"]["size"] + images.GAP) - images.GAP
    step, path = samples[-1]
    newest = page.figure(
        sheet(path, f"samples at step {step}", 720),
        f"Newest samples, step {step:,}. Look for variety as well as quality: near copies of one picture are mode collapse.",
        "card sheet",
    )
    chosen = np.unique(np.linspace(0, len(samples) - 1, N_SNAPSHOTS).round().astype(int))
    parts = [
        page.figure(sheet(samples[i][1], "", 250, side), f"step {samples[i][0]:,}", "")
        for i in chosen
    ]
    return (
        f'<h2>Samples</h2>{newest}<h2>Samples over time</h2><div class="snaps">{"".join(parts)}</div>'
        '<p class="soft">The upper left corner of each grid. Large shapes come first, details later; pictures that '
        "become alike, or noisy again, show a run that went wrong.</p>"
    )


def scored(record, workdir):
    """Class fractions and scores; or the command that makes them."""
    if record is None:
        command = (
            f"<code>python -m experiments.evaluate --workdir={html.escape(str(workdir))}</code>"
        )
        return f"<h2>Scores</h2><p>Not evaluated yet; this adds scores, a floor and two controls: {command}</p>"
    return f"{score_html.fractions(record) if record['classes'] else ''}{score_html.scores(record)}"


def asked(record):
    """Whether images show the classes they were asked for, where that was measured."""
    found = (record or {}).get("intended")
    if found is None:
        return ""
    head, *body = class_accuracy.lines(found, record["classes"])
    return (
        f"<h2>Images asked for by class</h2><p><b>{html.escape(class_accuracy.verdict(found))}</b></p>"
        f"{page.table([page.heads(head), *body])}"
        f'<p class="soft">{html.escape(class_accuracy.protocol_line(found))}</p>'
    )


def paired(record):
    """Errors and colourfulness of images made from images, where there are any."""
    found = (record or {}).get("pairs")
    if found is None:
        return ""
    head, *body = colorization.lines(found)
    note = f"{found['n']} images. Errors alone reward gray, the mean of all guesses; so colourfulness (33: moderate) is beside."
    return f'<h2>Made against original</h2>{page.table([page.heads(head), *body], "made")}<p class="soft">{note}</p>'


def nearest(record, workdir):
    """Does the generator copy? A verdict, pictures of neighbours and their distances, where they were searched."""
    found = (record or {}).get("neighbours")
    if found is None:
        return ""
    shown = "".join(
        halves(workdir / name, whose)
        for name, whose in zip(memorization.PICTURES, ("Generated", "Real"), strict=True)
        if (workdir / name).exists()
    )
    words, quantiles = memorization.MEASURES, memorization.QUANTILES
    head = [
        "",
        *(page.Markup(f'<th colspan="{len(quantiles)}">by {word}</th>') for word in words.values()),
    ]
    below = ["quantile", *page.heads(f"{100 * q:.0f} %" for q in quantiles * len(words))]
    body = [
        [
            text,
            *(
                page.Markup(f'<td class="n">{value:.3g}</td>')
                for name in words
                for value in measures[name]
            ),
        ]
        for text, measures in memorization.lines(found)
    ]
    return (
        f"<h2>Nearest training images</h2><p><b>{html.escape(found['verdict'])}</b></p>"
        f'<div class="pairs">{shown}</div><h2>Distances to the nearest image</h2>{page.table([head, below, *body], body[0][0])}'
        f'<p class="soft">{html.escape(memorization.protocol_line(found))}</p>'
    )


def halves(path, whose):
    """A picture of neighbours, cut between the two distances: side by side, or one above the other on a phone."""
    how = {
        "Generated": "Generated images and the training images nearest by {}, with distances; four at random, then the four "
        "that match a single image most. A copy has a first neighbour that is the same picture, far nearer than the others.",
        "Real": "The same for real images, which are not found themselves: what near means by {} where nothing is copied.",
    }[whose]
    parts = np.split(np.asarray(Image.open(path)), 2, 1)
    return "".join(
        page.figure(
            page.embed(images.png(part), "png", f"{whose} images and the nearest by {word}"),
            how.format(word),
        )
        for part, word in zip(parts, memorization.MEASURES.values(), strict=True)
    )


def equilibrium(hp):
    """{loss: its value when D answers 1/2 to everything, in units of ln 2}, where the settings name a log loss.

    methods.gan has "loss"; methods.distgan has "hinge", and weights of D's real terms whose sum is 1, or 2 if equal.
    """
    if hp.get("loss") in ("ns", "saturating"):
        return {"disc/loss": 2, "gen/loss": 1 if hp["loss"] == "ns" else -1}
    if hp.get("hinge") == "off":
        return {
            "disc/loss": 3 if hp["disc_weights"] == "equal" else 2,
            "gen/loss": int(hp["gen_loss"] == "ns"),
        }
    return {}


def healthy(band):
    """A healthy range in words."""
    if band is None:
        return ""
    low, high = (
        np.format_float_positional(bound, precision=2, fractional=False, trim="-") for bound in band
    )
    both = np.isfinite(band).all() and band[0] != 0
    return f" Shaded: healthy, {f'{low} to {high}' if both else f'up to {high}' if np.isfinite(band[1]) else f'{low} or more'}."


def plot(rows, name, levels, band):
    """The curve of one logged value, with a sentence on how to read it."""
    if name in levels:
        level = levels[name] * np.log(2)
        value = f"{levels[name]} ln 2 = {level:.3f}" if level else "0"
        text = f"Dashed: {value}, its value (without penalty) when the discriminator cannot tell real from fake."
        return page.figure(
            curve(rows, [name], level),
            text + (" Near 0 it has won." if name == "disc/loss" else ""),
        )
    kind = "eval" if name.startswith("eval/") else name.split("/")[-1]
    text = CAPTIONS.get(kind, f"{name}, mean over each log interval.") + healthy(band)
    return page.figure(curve(rows, [name], band=band), text)


def warned(rows):
    """What the watch warned of, and when; nothing where it did not."""
    found = health.episodes(rows)
    if not found:
        return ""
    spans = [
        f"step {first:,} to {last:,}" if last else f"since step {first:,}"
        for _, first, last in found
    ]
    body = [
        [span, name, health.meaning(name)] for span, (name, _, _) in zip(spans, found, strict=True)
    ]
    return f"<h2>Warnings</h2>{page.table([page.heads(['when', 'what', 'meaning']), *body])}"


def curves(config, rows):
    """Small plots: every player's loss, D's outputs together, penalties, the watch, scores; the rest folded away."""
    names = sorted(
        {
            n
            for row in rows
            for n, value in row.items()
            if "/" in n and isinstance(value, (int, float))
        }
    )
    if not names:
        return "<h2>Training</h2><p>Nothing logged yet: the first values come after --log_every steps.</p>"
    levels, parts = (
        equilibrium(config["hp"]),
        {"loss": [], "prob": [], "penalty": [], "watch": [], "eval": [], "rest": []},
    )
    judge = health.Health(config)
    for row in rows:
        judge.add(row)
    probs = [n for n in names if n.endswith("_prob")]
    if probs:
        parts["prob"].append(page.figure(curve(rows, probs, 0.5), CAPTIONS["prob"]))
    for name in names:
        player, _, kind = name.rpartition("/")
        kind = player if player in ("eval", "watch") else kind
        if name not in probs and kind != "ran":
            parts[kind if kind in parts else "rest"].append(
                plot(rows, name, levels, judge.bounds(name))
            )
    first = "".join(parts["loss"] + parts["prob"] + parts["penalty"] + parts["watch"])
    out = f'<h2>Training</h2><div class="row">{first}</div>'
    if parts["eval"]:
        out += f'<h2>Scores over training</h2><div class="row">{"".join(parts["eval"])}</div>'
    if parts["rest"]:
        rest = f'<div class="row">{"".join(parts["rest"])}</div>'
        out += f"<details><summary>Other logged values</summary>{rest}</details>"
    return out


def timings(rows):
    """Where the time went, from the newest cumulative counters."""
    wall = rows[-1].get("wall", {}) if rows else {}
    if not wall.get("time"):
        return ""
    known = ("compile_s", "train_s", "watch_s", "sample_s", "evaluate_s", "checkpoint_s")
    spent = {k[:-2]: wall[k] for k in known if k in wall}
    spent["other"] = max(wall["time"] - sum(spent.values()), 0)
    share = {k: min(100 * v / wall["time"], 100) for k, v in spent.items()}
    bar = '<td class="wide"><div class="bar" style="width:{:.1f}%"></div></td>'
    lines = [
        [k, f"{v:,.1f} s", f"{share[k]:.1f} %", page.Markup(bar.format(share[k]))]
        for k, v in spent.items()
    ]
    return (
        f'<h2>Where the time went</h2>{page.table(lines)}<p class="soft">{wall["time"]:,.0f} s over all invocations; at '
        f"the end {wall.get('steps_per_s', 0):.3g} steps/s, {wall.get('images_per_s', 0):.4g} images/s.</p>"
    )


def flat(settings, prefix=""):
    """Yields [dotted name, text] of every setting of a nested dict."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield [prefix + name, ", ".join(map(str, value)) if isinstance(value, list) else value]


def write(workdir):
    """Writes report.html into a run folder, whatever is there: from 0 logged steps to finished and evaluated.

    Args:
      workdir: path of the run folder.

    Returns:
      Path of report.html, one self-contained page; equal files give equal bytes.

    Raises:
      InputError: the folder has no readable config.json.
    """
    workdir = pathlib.Path(workdir)
    config, rows, samples, record = read(workdir)
    source, step = (
        config["dataset"],
        max([row["step"] for row in rows[-1:]] + [step for step, _ in samples[-1:]] + [0]),
    )
    title = f"{config['experiment']} on {source['name']}"
    facts = html.escape(
        f"method {config['method']} · {source['n']:,} images · {source['size']} px · step {step:,} "
        f"of {config['run']['steps']:,} · {'' if (workdir / 'DONE').exists() else 'not '}finished"
    )
    body = (
        f'<h1>{html.escape(title)}</h1><p class="soft">{facts}</p>{warned(rows)}{pictures(config, samples)}'
        f"{scored(record, workdir)}{asked(record)}{paired(record)}{nearest(record, workdir)}"
        f"{curves(config, rows)}{timings(rows)}"
        f"<details><summary>Configuration</summary>{page.table(flat(config))}</details>"
    )
    cache.write_atomic(workdir / "report.html", page.document(title, body))
    return workdir / "report.html"


def write_images(folder):
    """Writes report.html about scored images of no run, from eval.json and the pictures beside it; returns its path."""
    folder = pathlib.Path(folder)
    record = json.loads((folder / "eval.json").read_text())
    p = record["protocol"]
    title = f"{p['images']} beside {p['data']}"
    shown = page.figure(
        sheet(folder / "images.png", "images", 720),
        "Some of the images that were scored.",
        "card sheet",
    )
    body = f"<h1>{html.escape(title)}</h1><h2>Images</h2>{shown}{scored(record, folder)}{nearest(record, folder)}"
    cache.write_atomic(folder / "report.html", page.document(title, body))
    return folder / "report.html"
