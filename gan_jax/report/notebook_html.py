"""What a notebook shows of a run: its newest samples, its scores, the way to its report."""

import pathlib

from gan_jax.data import titles
from gan_jax.report import page, run_files, score_text
from gan_jax.report.verdict import verdict


def run_html(workdir: pathlib.Path) -> str:
    """Write HTML about a run folder as it stands now.

    Raises:
      InputError: the folder is not a run.
    """
    run = run_files.read(workdir)
    config, dataset = run.config, run.config["dataset"]
    published = config.get("published")  # of a published folder, which has no log
    steps = [r["step"] for r in run.log[-1:]] + [s for s, _ in run.samples[-1:]]
    step = published["step"] if published else max(steps, default=0)
    unfinished = "" if run.finished or published else ", not finished"
    facts = (
        f"{dataset['n']:,} images of {dataset['size']} px · step {step:,} of "
        f"{config['run']['steps']:,}{unfinished} · {workdir}"
    )
    title = f"{config['experiment']} on {titles.title(dataset['name'])}"
    parts = [page.paragraph(page.strong(title)), page.element("p", facts, style="color: gray")]
    pictures = [path for _, path in run.samples[-1:]] or [workdir / "samples.png"]
    for path in filter(pathlib.Path.exists, pictures):
        parts.append(page.sample_grid(path, f"samples at step {step}", 480))
    if run.evaluation:
        parts.append(page.paragraph(page.strong(verdict(run.evaluation).text)))
        parts.append(_scores(run.evaluation))
    return page.element("div", *parts)


def _scores(evaluation):
    """A table of scores: a row each, the run beside real images."""
    scores, rows = score_text.all_scores(evaluation), evaluation["rows"]
    subject = score_text.subject_row(evaluation)
    names = [name for name in (subject, "real") if name in rows]
    head = ["score", *(score_text.row_label(name) for name in names), "best"]
    lines = [
        [
            scores[key].title,
            *(score_text.format_score(rows[name], key) for name in names),
            {"low": "low", "high": "high", "real": "as real"}[scores[key].better],
        ]
        for key in score_text.score_keys(evaluation)
    ]
    return page.table([head, *lines])
