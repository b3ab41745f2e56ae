"""The page that compares several systems: pictures first, then scores and whether they differ, then curves and settings."""

import html
import json

import numpy as np
from matplotlib import ticker

from gan_jax import cache
from gan_jax.metrics import evaluate, protocol
from gan_jax.report import compare, page, run_page, score_text

SHOWN = (
    "disc/loss",
    "gen/loss",
    "recon/loss",
    "disc/penalty",
    "disc/grad_norm",
    "gen/grad_norm",
)  # and eval/*, watch/*


def color(i):
    """Of system i: a colour each, again from the first on where there are more."""
    return page.COLORS[i % len(page.COLORS)]


def dots(systems, key):
    """One score: a dot per run, mean and spread per system, and where floor and controls lie."""
    first = next(m.record for system in systems for m in system.members if m.record)

    def draw(axes):
        for i, system in enumerate(systems):
            found = compare.values(system, key)
            if not len(found):
                continue
            se = compare.errors_of(system, key)
            bars = None if np.isnan(se).any() else score_text.Z * se
            axes.errorbar(
                found,
                np.full(len(found), i),
                xerr=bars,
                fmt="o",
                ms=4,
                lw=1,
                color=color(i),
                alpha=0.8,
            )
            axes.plot([found.mean()] * 2, [i - 0.3, i + 0.3], color=color(i), lw=2)
        lines = {
            name: row[key]
            for name, row in first["rows"].items()
            if name not in evaluate.JUDGED and key in row
        }
        left, right = axes.get_xlim()
        for (name, value), style in zip(lines.items(), ("-", ":", "--"), strict=False):
            if name == "real" or left - (right - left) < value < right + (
                right - left
            ):  # a far control flattens the rest
                axes.axvline(value, color=page.INK, lw=1, ls=style, label=score_text.LABELS[name])
        axes.set_yticks(range(len(systems)), [system.name[:28] for system in systems])
        axes.set_ylim(len(systems) - 0.5, -0.5)
        axes.set_xlabel(score_text.known()[key].title)
        if (
            len(axes.get_legend_handles_labels()[0]) == 1
        ):  # page.chart shows it where there are more
            axes.legend(frameon=False, fontsize=7, loc="best")

    return page.embed(
        page.chart(draw, 4.6, 0.9 + 0.32 * len(systems)), "svg+xml", f"{key} of every run"
    )


def curve(systems, name):
    """A logged value over steps: the mean of a system's seeds, and a band from the lowest to the highest."""

    def draw(axes):
        seen = []
        for i, system in enumerate(systems):
            steps, found = compare.series(system, name)
            if not len(steps):
                continue
            points = page.thin(np.column_stack([steps, found.mean(0), found.min(0), found.max(0)]))
            axes.plot(points[:, 0], points[:, 1], color=color(i), lw=1.4, label=system.name[:24])
            if len(found) > 1:
                axes.fill_between(
                    points[:, 0], points[:, 2], points[:, 3], color=color(i), alpha=0.2, lw=0
                )
            seen.append(found.ravel())
        page.frame(axes, np.concatenate(seen))
        axes.set_title(name, fontsize=10, loc="left")
        axes.set_xlabel("step")
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))

    return page.embed(page.chart(draw), "svg+xml", f"{name} over steps")


def pictures(systems):
    """The newest grid of each system's first run, side by side; those of the other seeds folded away."""

    def shown(system, member):
        seed, step = member.config["run"]["seed"], int(member.samples.stem)
        return page.figure(
            run_page.sheet(member.samples, f"samples of {system.name}", 360),
            f"{system.name}, seed {seed}, step {step:,}",
        )

    drawn = [[shown(s, m) for m in s.members if m.samples] for s in systems]
    first = "".join(figures[0] for figures in drawn if figures)
    rest = "".join(figure for figures in drawn for figure in figures[1:])
    more = (
        f'<details><summary>The other seeds</summary><div class="row">{rest}</div></details>'
        if rest
        else ""
    )
    return f'<h2>Samples</h2><div class="row">{first}</div>{more}' if first else ""


def scores(systems, keys):
    """Table, verdicts and plots of the scores that all runs have."""
    if not keys:
        return "<h2>Scores</h2><p>None yet: <code>python -m experiments.evaluate --workdir=DIR</code> adds them to a run.</p>"
    first = next(m.record for system in systems for m in system.members if m.record)
    head = ["", *page.heads(score_text.known()[key].title for key in keys)]
    lines = [
        [system.name, *(score_text.cell(_row(system, key), key).replace("+-", "±") for key in keys)]
        for system in systems
        if len(compare.values(system, keys[0]))
    ]
    lines += [
        [
            score_text.LABELS.get(name, name),
            *(score_text.cell(row, key).replace("+-", "±") for key in keys),
        ]
        for name, row in first["rows"].items()
        if name not in (*evaluate.JUDGED, "untrained")  # which is another for every system
    ]
    parts = ""
    for key in keys:
        score = score_text.known()[key]
        said = "".join(
            f"<li>{html.escape(sentence)}</li>" for sentence in compare.verdicts(systems, key)
        )
        parts += (
            f'<div class="card score"><h3>{html.escape(score.title)}</h3>{dots(systems, key)}'
            f'<p class="soft">{html.escape(score.text)} {score_text.BETTER[score.better].capitalize()}.</p>'
            f"<details><summary>Is the difference real?</summary><ul>{said}</ul></details></div>"
        )
    note = (
        "± is the standard deviation over seeds. Each dot is a run, its bar the 95 % interval from sampling; the line across "
        "is the mean of the seeds. Differences are judged by Welch's t over seeds, for all pairs of a score together "
        "(Bonferroni)."
    )
    line = html.escape(protocol.line(first, score_text.LABELS))
    return (
        f'<h2>Scores</h2>{page.table([head, *lines])}<p class="soft">{html.escape(note)}</p>'
        f'<div class="pairs">{parts}</div><p class="soft">{line}</p>'
    )


def _row(system, key):
    found = compare.values(system, key)
    return {key: found.mean(), **({f"{key}_std": found.std(ddof=1)} if len(found) > 1 else {})}


def curves(systems):
    """What was logged over training, systems over each other."""
    logged = [
        {name for m in s.members for row in m.rows for name in row if "/" in name} for s in systems
    ]
    names = [
        n
        for n in sorted(set.union(*logged))
        if n in SHOWN or n.partition("/")[0] in ("eval", "watch")
    ]
    names = [n for n in names if any(len(compare.series(s, n)[0]) for s in systems)]
    if not names:
        return ""
    drawn = "".join(page.figure(curve(systems, name), _caption(name)) for name in names)
    return (
        f'<h2>Training</h2><p class="soft">Mean over seeds; the band reaches from the lowest seed to the highest. Losses of '
        f'different systems are different quantities: do not compare their heights.</p><div class="row">{drawn}</div>'
    )


def _caption(name):
    if name.startswith("eval/"):
        score = score_text.known().get(name.removeprefix("eval/"))
        return f"{score_text.BETTER[score.better].capitalize()}." if score else name
    return run_page.CAPTIONS.get(name.split("/")[-1], name)


def differing(systems):
    """The settings in which the systems differ, as a table."""
    kinds = [compare.settings(system.members[0]) for system in systems]
    every = dict.fromkeys(name for kind in kinds for name in kind)
    names = [name for name in every if len({str(kind.get(name)) for kind in kinds}) > 1]
    head = ["", *page.heads(system.name for system in systems)]
    lines = [[name, *(str(kind.get(name, "-")) for kind in kinds)] for name in names]
    runs = [["runs", *(", ".join(m.folder.name for m in system.members) for system in systems)]]
    times = [["training, minutes", *(_minutes(system) for system in systems)]]
    return f"<h2>What differs</h2>{page.table([head, *runs, *times, *lines])}"


def _minutes(system):
    spent = [m.rows[-1]["wall"].get("train_s", 0) / 60 for m in system.members if m.rows]
    return ", ".join(f"{minutes:.1f}" for minutes in spent) or "-"


def document(systems, keys):
    """The whole page. systems: compare.System each; keys: scores that all evaluated runs have."""
    data = systems[0].members[0].config["dataset"]["name"]
    n = sum(len(system.members) for system in systems)
    unfinished = [str(m.folder) for system in systems for m in system.members if not m.finished]
    facts = f"{n} runs of {len(systems)} systems on {data}"
    facts += f". Not finished: {', '.join(unfinished)}" if unfinished else ""
    names = [system.name for system in systems]
    title = (
        " against ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} others"
    )
    body = (
        f'<h1>{html.escape(title)}</h1><p class="soft">{html.escape(facts)}</p>'
        f"{pictures(systems)}{scores(systems, keys)}{curves(systems)}{differing(systems)}"
    )
    return page.document("Comparison", body)


def write(systems, out):
    """Writes compare.html and compare.json of compare.System's into a folder, which is made.

    Returns:
      The table of scores for a terminal; "" where no run is scored.

    Raises:
      InputError: the runs were scored in different ways.
    """
    compare.require_one_protocol(systems)
    members = [m for system in systems for m in system.members]
    keys = compare.common(systems) if any(m.record for m in members) else []
    found = {
        key: {s.name: compare.values(s, key).tolist() for s in systems}
        | {"verdicts": compare.verdicts(systems, key)}
        for key in keys
    }
    runs = {system.name: [str(m.folder) for m in system.members] for system in systems}
    out.mkdir(parents=True, exist_ok=True)
    cache.write_atomic(
        out / "compare.json",
        json.dumps({"runs": runs, "scores": found}, indent=1, allow_nan=False) + "\n",
    )
    cache.write_atomic(out / "compare.html", document(systems, keys))
    return compare.text(systems) if keys else ""
