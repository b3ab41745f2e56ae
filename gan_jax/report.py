"""One HTML page about a run, made from the files of its folder alone: no network, no script, pictures inside."""

import base64
import html
import io
import json
import pathlib

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure
from PIL import Image

from gan_jax import cache, errors, evaluate, images, log
from gan_jax.metrics import intended, neighbours, pairs

N_SNAPSHOTS = 8
N_TILES = 4  # a snapshot shows this many rows and columns of its grid
N_CLASSES = 12  # most frequent classes in the chart
N_POINTS = 400  # of a curve; longer ones are averaged

INK, COLORS = "#80858d", ("#3b82d6", "#e8833a", "#2fa37c", "#9a6bd0", "#c95f86")  # readable on dark and light
CAPTIONS = {
    "loss": "Depends on the opponent too: it should stay bounded; lower does not mean better pictures.",
    "prob": "The discriminator's mean output, 1 = surely real. At equilibrium all meet at 0.5 (dashed).",
    "penalty": "Penalty on the discriminator's slope, before its weight: it should settle, not grow.",
    "eval": "Scored while training: compare along this curve, never with scores from other numbers of images.",
}
CSS = """
:root { color-scheme: light dark;
  --bg: #fbfbfa; --fg: #1f2328; --soft: #666c74; --line: #dcdfe3; --card: #fff; --mark: #2f72c4 }
@media (prefers-color-scheme: dark) {
  :root { --bg: #15171a; --fg: #e4e6e9; --soft: #9aa0a8; --line: #33373d; --card: #1c1f23; --mark: #6aa9f0 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 24px 16px 64px; max-width: 1080px; background: var(--bg); color: var(--fg);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 4px } h2 { font-size: 1.15rem; margin: 40px 0 10px }
p { margin: 8px 0; max-width: 75ch } .soft, figcaption { color: var(--soft); font-size: .88rem }
figure { margin: 0; min-width: 0 } figcaption { margin-top: 6px } img { display: block; width: 100%; height: auto }
.pixel { image-rendering: pixelated } .sheet { max-width: 720px } .plot { max-width: 460px }
.row { display: grid; gap: 18px; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)) }
.pairs { display: grid; gap: 18px; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)) }
.snaps { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(max(150px, 22%), 1fr)) }
.card, .scroll { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem }
th, td { padding: 5px 14px 5px 0; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap }
td:last-child { white-space: normal } tr:last-child > * { border-bottom: 0 }
td.n { white-space: nowrap }
.model { color: var(--mark); font-weight: 600 } .wide { width: 50% }
.bar { height: 10px; min-width: 1px; border-radius: 3px; background: var(--mark) }
summary { cursor: pointer; font-weight: 600; margin: 40px 0 10px }
"""


class Markup(str):
    """Text that is HTML already."""


def read(workdir):
    """What a run folder holds: (config, rows of metrics.jsonl by step, [(step, PNG path)], eval record or None).

    Lines that a crash has torn are left out; of rows with the same step the last counts.

    Raises:
      InputError: no config.json, or one that is not JSON.
    """
    try:
        config = json.loads((workdir / "config.json").read_text())
    except (OSError, ValueError):
        raise errors.InputError(f"--workdir={workdir} has no readable config.json; name the folder of a run.") from None
    rows = {row["step"]: row for row in log.read(workdir / "metrics.jsonl")}
    scored = workdir / "eval.json"
    samples = sorted((int(p.stem), p) for p in (workdir / "samples").glob("*.png") if p.stem.isdigit())
    record = json.loads(scored.read_text()) if scored.exists() else None
    return config, [rows[step] for step in sorted(rows)], samples, record


def embed(data, kind, alt, css=""):
    """An <img> with its bytes inside."""
    code = base64.b64encode(data).decode()
    return f'<img class="{css}" alt="{html.escape(alt)}" src="data:image/{kind};base64,{code}">'


def figure(content, caption, css="card"):
    """Something to look at, with a sentence under it that says how to read it."""
    return f'<figure class="{css}">{content}<figcaption>{html.escape(caption)}</figcaption></figure>'


def table(rows, mark=None):
    """An HTML table of plain cells, or Markup with its own tags. The row that begins with `mark` stands out."""
    out = ""
    for row in rows:
        cells = (c if isinstance(c, Markup) else f"<td>{html.escape(str(c))}</td>" for c in row)
        out += f'<tr class="{"model" if row[0] == mark else ""}">{"".join(cells)}</tr>'
    return f'<div class="scroll"><table>{out}</table></div>'


def heads(names):
    """Head cells of a table."""
    return [Markup(f"<th>{html.escape(name)}</th>") for name in names]


def chart(draw, width=3.6, height=2.2):
    """An SVG plot without background, in a grey that suits dark and light; draw(axes) does the rest."""
    with matplotlib.rc_context(
        {
            "svg.hashsalt": "gan_jax",
            "font.size": 9,
            "text.color": INK,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    ):
        plot = Figure(figsize=(width, height), layout="constrained")
        axes = plot.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            plot.legend(frameon=False, loc="outside upper left", ncols=3, handlelength=1.2, columnspacing=1.2)
        buffer = io.BytesIO()
        plot.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def thin(points):
    """Points [n, 2] in at most N_POINTS neighbourhoods, each averaged."""
    return np.stack([part.mean(0) for part in np.array_split(points, min(len(points), N_POINTS))])


def frame(axes, values):
    """Fits the vertical range to the bulk of the values where a few extremes would flatten the rest; returns whether."""
    low, high = np.quantile(values, (0.03, 0.97))
    cut = np.ptp(values) > 4 * (high - low) > 0
    if cut:
        axes.set_ylim(low - 0.2 * (high - low), high + 0.2 * (high - low))
    return cut


def curve(rows, names, level=None):
    """Logged values over steps, as <img>; level: a dashed line at a known value."""

    def draw(axes):
        for i, name in enumerate(names):
            points = thin(np.array([(row["step"], row[name]) for row in rows if name in row], float))
            axes.plot(
                *points.T,
                color=COLORS[i % len(COLORS)],
                lw=1.3,
                label=name.split("/")[-1],
                marker="o" if len(points) < 25 else None,
                ms=3,
            )
        if level is not None:
            axes.axhline(level, color=INK, lw=1, ls="--")
        cut = frame(axes, [row[name] for row in rows for name in names if name in row])
        if len(names) == 1:
            axes.set_title(names[0] + (" (extremes cut off)" if cut else ""), fontsize=10, loc="left")
        axes.set_xlabel("step")
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))

    return embed(chart(draw), "svg+xml", ", ".join(names) + " over steps")


def sheet(path, alt, shown, side=None):
    """A sample grid, or its upper left corner of so many pixels; sharp pixels where shown larger than it is."""
    grid = np.asarray(Image.open(path))[:side, :side]
    return embed(images.png(grid), "png", alt, "pixel" if grid.shape[1] < shown else "")


def pictures(config, samples):
    """The newest grid, enlarged, and a corner of up to N_SNAPSHOTS grids over time."""
    if not samples:
        return "<h2>Samples</h2><p>None yet: training writes a grid every --sample_every steps and at its end.</p>"
    side = N_TILES * (config["source"]["size"] + images.GAP) - images.GAP
    step, path = samples[-1]
    newest = figure(
        sheet(path, f"samples at step {step}", 720),
        f"Newest samples, step {step:,}. Look for variety as well as quality: near copies of one picture are mode collapse.",
        "card sheet",
    )
    chosen = np.unique(np.linspace(0, len(samples) - 1, N_SNAPSHOTS).round().astype(int))
    parts = [figure(sheet(samples[i][1], "", 250, side), f"step {samples[i][0]:,}", "") for i in chosen]
    return (
        f'<h2>Samples</h2>{newest}<h2>Samples over time</h2><div class="snaps">{"".join(parts)}</div>'
        '<p class="soft">The upper left corner of each grid. Large shapes come first, details later; pictures that '
        "become alike, or noisy again, show a run that went wrong.</p>"
    )


def fractions(record):
    """Bars of class fractions: training data, floor, model and controls."""
    groups = evaluate.fractions(record)
    colors = {"training data": INK, "model": COLORS[0], "real (floor)": COLORS[2], "untrained": COLORS[3]}
    shown = np.argsort(-np.array(record["real_fractions"]), kind="stable")[:N_CLASSES]

    def draw(axes):
        for i, (name, values) in enumerate(groups.items()):
            place = np.arange(len(shown)) + (i - (len(groups) - 1) / 2) * 0.8 / len(groups)
            axes.barh(place, 100 * np.array(values)[shown], 0.75 / len(groups), label=name, color=colors.get(name, COLORS[4]))
        axes.set_yticks(range(len(shown)), [record["classes"][i] for i in shown])
        axes.invert_yaxis()
        axes.set_xlabel("% of the images, by one classifier")

    caption = (
        "A generator that covers all modes has bars as long as the training data's: a class without a bar is a "
        "lost mode, a far too long bar is where it collapsed to."
    )
    plot = embed(chart(draw, 4.2, 1 + 0.55 * len(shown)), "svg+xml", "class fractions")
    tables = ""
    for kind, suffix in evaluate.KINDS.items():
        if shares := evaluate.fractions(record, suffix):
            head = [f"% of images, {kind}", *heads(shares)]
            body = [[name, *(f"{100 * f[i]:.1f}" for f in shares.values())] for i, name in enumerate(record["classes"])]
            tables += table([head, *body])
    note = "Corrected: with the classifier's confusions, measured on held-out images, undone."
    numbers = f'<details><summary>The same in numbers</summary>{tables}<p class="soft">{note}</p></details>'
    return f"<h2>Classes of the samples</h2>{figure(plot, caption, 'card plot')}{numbers}"


def scores(record, workdir):
    """Class fractions, score table and protocol; or the command that makes them."""
    if record is None:
        command = f"<code>python -m experiments.evaluate --workdir={html.escape(str(workdir))}</code>"
        return f"<h2>Scores</h2><p>Not evaluated yet; this adds scores, a floor and two controls: {command}</p>"
    names = [name for name in evaluate.SCORES if name in record["rows"]["model"]]
    rows = [["", *heads(evaluate.SCORES[n] for n in names), *heads(["images"])]]
    rows += [
        [evaluate.LABELS.get(r, r), *(evaluate.cell(row, n).replace("+-", "±") for n in names), row["n_fake"]]
        for r, row in record["rows"].items()
    ]
    at = f" at step {record['step']:,}" if "step" in record else ""
    how, protocol = html.escape(evaluate.HOW_TO_READ), html.escape(evaluate.protocol_line(record))
    return (
        f"{fractions(record) if record['classes'] else ''}<h2>Scores{at}</h2>{table(rows, 'model')}"
        f'<p>{how}</p><p class="soft">{protocol}</p>'
    )


def asked(record):
    """Whether images show the classes they were asked for, where that was measured."""
    found = (record or {}).get("intended")
    if found is None:
        return ""
    head, *body = intended.lines(found, record["classes"])
    return (
        f"<h2>Images asked for by class</h2><p><b>{html.escape(intended.verdict(found))}</b></p>{table([heads(head), *body])}"
        f'<p class="soft">{html.escape(intended.protocol_line(found))}</p>'
    )


def paired(record):
    """Errors and colourfulness of images made from images, where there are any."""
    found = (record or {}).get("pairs")
    if found is None:
        return ""
    head, *body = pairs.lines(found)
    note = f"{found['n']} images. Errors alone reward gray, the mean of all guesses; so colourfulness (33: moderate) is beside."
    return f'<h2>Made against original</h2>{table([heads(head), *body], "made")}<p class="soft">{note}</p>'


def nearest(record, workdir):
    """Does the generator copy? A verdict, pictures of neighbours and their distances, where they were searched."""
    found = (record or {}).get("neighbours")
    if found is None:
        return ""
    shown = "".join(
        halves(workdir / name, whose)
        for name, whose in zip(neighbours.PICTURES, ("Generated", "Real"), strict=True)
        if (workdir / name).exists()
    )
    words, quantiles = neighbours.MEASURES, neighbours.QUANTILES
    head = ["", *(Markup(f'<th colspan="{len(quantiles)}">by {word}</th>') for word in words.values())]
    below = ["quantile", *heads(f"{100 * q:.0f} %" for q in quantiles * len(words))]
    body = [
        [text, *(Markup(f'<td class="n">{value:.3g}</td>') for name in words for value in measures[name])]
        for text, measures in neighbours.lines(found)
    ]
    return (
        f"<h2>Nearest training images</h2><p><b>{html.escape(found['verdict'])}</b></p>"
        f'<div class="pairs">{shown}</div><h2>Distances to the nearest image</h2>{table([head, below, *body], body[0][0])}'
        f'<p class="soft">{html.escape(neighbours.protocol_line(found))}</p>'
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
        figure(embed(images.png(part), "png", f"{whose} images and the nearest by {word}"), how.format(word))
        for part, word in zip(parts, neighbours.MEASURES.values(), strict=True)
    )


def equilibrium(hp):
    """{loss: its value when D answers 1/2 to everything, in units of ln 2}, where the settings name a log loss.

    methods.gan has "loss"; methods.distgan has "hinge", and weights of D's real terms whose sum is 1, or 2 if equal.
    """
    if hp.get("loss") in ("ns", "saturating"):
        return {"disc/loss": 2, "gen/loss": 1 if hp["loss"] == "ns" else -1}
    if hp.get("hinge") == "off":
        return {"disc/loss": 3 if hp["disc_weights"] == "equal" else 2, "gen/loss": int(hp["gen_loss"] == "ns")}
    return {}


def plot(rows, name, levels):
    """The curve of one logged value, with a sentence on how to read it."""
    if name in levels:
        level = levels[name] * np.log(2)
        value = f"{levels[name]} ln 2 = {level:.3f}" if level else "0"
        text = f"Dashed: {value}, its value (without penalty) when the discriminator cannot tell real from fake."
        return figure(curve(rows, [name], level), text + (" Near 0 it has won." if name == "disc/loss" else ""))
    kind = "eval" if name.startswith("eval/") else name.split("/")[-1]
    return figure(curve(rows, [name]), CAPTIONS.get(kind, f"{name}, mean over each log interval."))


def curves(config, rows):
    """Small plots: every player's loss, D's outputs together, penalties; scores over training; the rest folded away."""
    names = sorted({n for row in rows for n, value in row.items() if "/" in n and isinstance(value, (int, float))})
    if not names:
        return "<h2>Training</h2><p>Nothing logged yet: the first values come after --log_every steps.</p>"
    levels, parts = equilibrium(config["hp"]), {"loss": [], "prob": [], "penalty": [], "eval": [], "rest": []}
    probs = [n for n in names if n.endswith("_prob")]
    if probs:
        parts["prob"].append(figure(curve(rows, probs, 0.5), CAPTIONS["prob"]))
    for name in names:
        kind = "eval" if name.startswith("eval/") else name.split("/")[-1]
        if name not in probs and kind != "ran":
            parts[kind if kind in parts else "rest"].append(plot(rows, name, levels))
    out = f'<h2>Training</h2><div class="row">{"".join(parts["loss"] + parts["prob"] + parts["penalty"])}</div>'
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
    spent = {k[:-2]: wall[k] for k in ("compile_s", "train_s", "sample_s", "evaluate_s", "checkpoint_s") if k in wall}
    spent["other"] = max(wall["time"] - sum(spent.values()), 0)
    share = {k: min(100 * v / wall["time"], 100) for k, v in spent.items()}
    bar = '<td class="wide"><div class="bar" style="width:{:.1f}%"></div></td>'
    lines = [[k, f"{v:,.1f} s", f"{share[k]:.1f} %", Markup(bar.format(share[k]))] for k, v in spent.items()]
    return (
        f'<h2>Where the time went</h2>{table(lines)}<p class="soft">{wall["time"]:,.0f} s over all invocations; at '
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
    source, step = config["source"], max([row["step"] for row in rows[-1:]] + [step for step, _ in samples[-1:]] + [0])
    title = f"{config['experiment']} on {source['name']}"
    facts = html.escape(
        f"method {config['method']} · {source['n']:,} images · {source['size']} px · step {step:,} "
        f"of {config['run']['steps']:,} · {'' if (workdir / 'DONE').exists() else 'not '}finished"
    )
    body = (
        f'<h1>{html.escape(title)}</h1><p class="soft">{facts}</p>{pictures(config, samples)}'
        f"{scores(record, workdir)}{asked(record)}{paired(record)}{nearest(record, workdir)}"
        f"{curves(config, rows)}{timings(rows)}"
        f"<details><summary>Configuration</summary>{table(flat(config))}</details>"
    )
    cache.write_atomic(
        workdir / "report.html",
        (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
            f'initial-scale=1"><title>{html.escape(title)}</title><style>{CSS}</style><body>{body}</body></html>\n'
        ),
    )
    return workdir / "report.html"
