"""The page that compares systems: samples, scores, whether they differ, curves and settings."""

import json
import pathlib

import numpy as np

from gan_jax import cache
from gan_jax.data import titles
from gan_jax.errors import counted
from gan_jax.metrics import evaluate, protocol
from gan_jax.report import charts, compare, page, score_html, score_text, training_curves
from gan_jax.report.compare import System
from gan_jax.report.run_files import RunFiles

HOW_TO_READ = (
    "± is the standard deviation over seeds. Each dot is a run, its bar the 95 % interval from "
    "sampling; the line across is the mean of the seeds. Differences are judged by Welch's t over "
    "seeds, for all pairs of a score together (Bonferroni)."
)
# Logged values that are shown, besides all of eval/ and watch/.
CURVES = ("disc/loss", "gen/loss", "recon/loss", "disc/penalty", "disc/grad_norm", "gen/grad_norm")


def write(systems: list[System], out: pathlib.Path, about: page.Html | None = None) -> str:
    """Write compare.html and compare.json into a folder, which is created.

    Args:
      systems: what is compared.
      out: the folder.
      about: a part that follows the first line, such as what became of other runs.

    Returns:
      The scores as text for a terminal; "" where no run is evaluated.

    Raises:
      InputError: the runs were scored in different ways.
    """
    compare.require_one_protocol(systems)
    keys = compare.shared_scores(systems) if any(s.evaluations for s in systems) else []
    scores = {
        key: {system.name: compare.score_values(system, key).tolist() for system in systems}
        | {"verdicts": compare.verdicts(systems, key)}
        for key in keys
    }
    folders = {system.name: [str(run.folder) for run in system.runs] for system in systems}
    text = json.dumps({"runs": folders, "scores": scores}, indent=1, allow_nan=False)
    out.mkdir(parents=True, exist_ok=True)
    cache.write_atomic(out / "compare.json", text + "\n")
    cache.write_atomic(out / "compare.html", document(systems, keys, about))
    return compare.format_scores(systems) if keys else ""


def document(systems: list[System], keys: list[str], about: page.Html | None = None) -> str:
    """Build the page.

    Args:
      systems, about: see `write`.
      keys: scores that all evaluated runs have.
    """
    names = [system.name for system in systems]
    short = " against ".join(names)
    return page.document(
        short if len(names) <= 3 else f"{names[0]} and {len(names) - 1} others",
        page.note(_facts(systems)),
        about or page.Html(),
        samples_section(systems),
        scores_section(systems, keys),
        curves_section(systems),
        page.section("What differs", page.table(_differences(systems), prose=True)),
    )


def _facts(systems):
    runs = [run for system in systems for run in system.runs]
    unfinished = [str(run.folder) for run in runs if not run.finished]
    data = {run.config["dataset"]["digest"]: run.config["dataset"]["name"] for run in runs}
    text = f"{counted(len(runs), 'run')} of {counted(len(systems), 'system')} on "
    text += ", ".join(map(titles.title, data.values()))
    if len(data) > 1:
        text += f": {len(data)} data sets, so that no value compares"
    return text + (f". Not finished: {', '.join(unfinished)}" if unfinished else "")


def samples_section(systems: list[System]) -> page.Html:
    """Show the newest sample grid of each system; those of all but one seed are folded away."""
    figures = [[_sample_figure(s, run) for run in s.runs if run.samples] for s in systems]
    others = [figure for of_system in figures for figure in of_system[1:]]
    return page.section(
        "Samples",
        page.grid(of_system[0] for of_system in figures if of_system),
        page.details("The other seeds", page.grid(others)),
    )


def _sample_figure(system: System, run: RunFiles):
    step, path = run.samples[-1]
    caption = f"{system.name}, seed {run.seed}, step {step:,}"
    return page.figure(page.sample_grid(path, f"samples of {system.name}", 360), caption)


def scores_section(systems: list[System], keys: list[str]) -> page.Html:
    """Show a table, charts and verdicts of the scores that all evaluated runs have."""
    if not keys:
        command = page.element("code", "python -m gan_jax evaluate DIR")
        return page.section("Scores", page.paragraph("None yet: ", command, " adds them to a run."))
    scored = [run for system in systems for run in system.runs if run.evaluation]
    unscored = [str(run.folder) for system in systems for run in system.runs if not run.evaluation]
    left_out = f" Without scores: {', '.join(unscored)}." if unscored else ""
    note = page.note(HOW_TO_READ + left_out)
    cards = [_score_card(systems, key) for key in keys]
    if len(scored) == 1:
        text = f"Only {scored[0].folder} is scored, so that there is nothing to compare yet."
        note, cards = page.note(text), []
    return page.section(
        "Scores",
        page.table(_score_rows(systems, keys)),
        note,
        page.grid(cards, "pairs"),
        page.note(protocol.describe(_first_evaluation(systems), score_text.LABELS)),
    )


def _first_evaluation(systems):
    """The evaluation whose floor and controls are shown."""
    return next(e for system in systems for e in system.evaluations)


def _score_rows(systems, keys):
    rows = [["", *(compare.find_score(systems, key).title for key in keys)]]
    for system in systems:
        if system.evaluations:
            cells = (score_html.format_score(_mean_row(system, key), key) for key in keys)
            rows.append([system.name, *cells])
    for name, row in _first_evaluation(systems)["rows"].items():
        # The untrained control is another one for every system.
        if name not in (*evaluate.SUBJECT_ROWS, "untrained"):
            rows.append(
                [score_text.row_label(name), *(score_html.format_score(row, key) for key in keys)]
            )
    return rows


def _mean_row(system, key):
    values = compare.score_values(system, key)
    row = {key: values.mean()}
    return row | ({f"{key}_std": values.std(ddof=1)} if len(values) > 1 else {})


def _score_card(systems, key):
    scored = [system for system in systems if system.evaluations]
    n_lines = sum(charts.wrapped(system.name).count("\n") + 1 for system in scored)
    height, score = 0.9 + 0.1 * len(scored) + 0.22 * n_lines, compare.find_score(systems, key)
    verdicts = compare.verdicts(systems, key)
    return score_html.score_card(
        score.title,
        page.chart(
            lambda axes: _draw_scores(axes, systems, key), f"{key} of every run", 4.6, height
        ),
        score_html.score_note(score),
        page.details("Is the difference real?", page.bullets(verdicts) if verdicts else ""),
    )


def _draw_scores(axes, systems, key):
    """Draw a dot per run, the mean of each system, and the floor and the controls as lines.

    Systems have the colours of their curves; those without scores have no row.
    """
    scored = [(n, system) for n, system in enumerate(systems) if system.evaluations]
    for i, (n, system) in enumerate(scored):
        values, intervals = compare.score_values(system, key), compare.score_intervals(system, key)
        bars = None if intervals is None else np.abs(intervals.T - values)
        line = {"fmt": "o", "ms": 4, "lw": 1, "color": charts.color(n), "alpha": 0.8}
        axes.errorbar(values, np.full(len(values), i), xerr=bars, **line)
        axes.plot([values.mean()] * 2, [i - 0.3, i + 0.3], color=charts.color(n), lw=2)
    left, right = axes.get_xlim()
    rows = _first_evaluation(systems)["rows"]
    controls = [n for n, row in rows.items() if n not in evaluate.SUBJECT_ROWS and key in row]
    for name, style in zip(controls, ("-", ":", "--"), strict=False):
        value = rows[name][key]
        near = left - (right - left) < value < right + (right - left)
        if name == "real" or near:  # a far control would flatten the rest
            axes.axvline(value, color=charts.INK, lw=1, ls=style, label=score_text.LABELS[name])
    axes.set_yticks(range(len(scored)), [charts.wrapped(system.name) for _, system in scored])
    axes.set_ylim(len(scored) - 0.5, -0.5)
    axes.set_xlabel(compare.find_score(systems, key).title)
    if len(axes.get_legend_handles_labels()[0]) == 1:  # charts.svg shows the legend of several
        axes.legend(frameon=False, fontsize=7, loc="best")


def curves_section(systems: list[System]) -> page.Html:
    """Show the logged values over training, all systems in one chart."""
    logged = {name for s in systems for run in s.runs for record in run.log for name in record}
    names = [name for name in sorted(logged) if _is_shown(name)]
    names = [n for n in names if any(len(compare.logged_values(s, n)[0]) for s in systems)]
    note = (
        "Mean over seeds; the band reaches from the lowest seed to the highest. Losses of "
        "different systems are different quantities: do not compare their heights."
    )
    figures = [page.figure(_curve(systems, name), _caption(name)) for name in names]
    return page.section("Training", page.note(note), page.grid(figures)) if names else page.Html()


def _is_shown(name):
    return name in CURVES or name.startswith(("eval/", "watch/"))


def _curve(systems, name):
    """Chart of a logged value: mean over seeds, and a band from the lowest to the highest."""

    def draw(axes):
        drawn = []
        for i, system in enumerate(systems):
            steps, values = compare.logged_values(system, name)
            if not len(steps):
                continue
            columns = [steps, values.mean(0), values.min(0), values.max(0)]
            x, mean, low, high = charts.downsample(np.column_stack(columns)).T
            style = {"color": charts.color(i), "ls": charts.line(i)}
            axes.plot(x, mean, lw=1.4, label=charts.wrapped(system.name), **style)
            if len(values) > 1:
                axes.fill_between(x, low, high, color=charts.color(i), alpha=0.2, lw=0)
            drawn.append(values.ravel())
        charts.cut_extremes(axes, np.concatenate(drawn))
        charts.label_step_axis(axes, name)

    return page.chart(draw, f"{name} over steps")


def _caption(name: str) -> str:
    if name.startswith("eval/"):
        score = score_text.all_scores().get(name.removeprefix("eval/"))
        return f"{score_text.BETTER[score.better].capitalize()}." if score else name
    return training_curves.caption(name)


def _differences(systems):
    """Rows of the table of the settings in which the systems differ, their folders and times.

    A setting has a row; where the systems are more, a system has one.
    """
    settings = [compare.system_settings(system.runs[0]) for system in systems]
    names = dict.fromkeys(name for one in settings for name in one)
    differing = [name for name in names if len({str(one.get(name)) for one in settings}) > 1]
    rows = [
        ["", *(system.name for system in systems)],
        *([name, *(str(one.get(name, "-")) for one in settings)] for name in differing),
        ["training, minutes", *(_minutes(system) for system in systems)],
        ["runs", *(", ".join(run.folder.name for run in system.runs) for system in systems)],
    ]
    return rows if len(systems) < len(rows) else list(zip(*rows, strict=True))


def _minutes(system):
    minutes = [run.log[-1]["wall"].get("train_s", 0) / 60 for run in system.runs if run.log]
    return ", ".join(f"{m:.1f}" for m in minutes) or "-"
