"""Figure and HTML page of a study of a GAN against a DCGAN."""

import html

import numpy as np
from matplotlib.figure import Figure

from gan_jax.report import page, run_page
from gan_jax.studies import curves
from gan_jax.studies.gan_vs_dcgan import results as gan_vs_dcgan

TITLE = "GAN against DCGAN"
LOSSES = {"disc/loss": ("D", 2), "gen/loss": ("G", 1)}  # their equilibrium in units of ln 2


def series(folders, name):
    """(steps [T], mean seconds of training [T], values [seeds, T]) of what equal runs logged; None where nothing was."""
    found = [curves.read(folder, name) for folder in folders]
    if not found or not len(found[0][0]):
        return None
    steps, seconds, values = zip(*found, strict=True)
    return steps[0], np.mean(seconds, 0), np.stack(values)


def draw_losses(axes, results, root, system):
    """Losses of D and G over passes over the data: mean over seeds, a band from the lowest to the highest."""
    known = results["systems"][system]
    drawn = []
    for i, (name, (label, level)) in enumerate(LOSSES.items()):
        found = series([root / folder for folder in results["folders"]["lengths"][system]], name)
        axes.axhline(level * np.log(2), color=page.COLORS[i], lw=1, ls="--")
        if found is not None:
            steps, _, values = found
            _band(axes, steps / known["steps_per_epoch"], values, i, label)
            drawn.append(values.ravel())
    if drawn:
        page.frame(axes, np.concatenate(drawn))
    axes.set_title(f"{known['title']}, {known['steps']:,} updates", fontsize=10, loc="left")
    axes.set_xlabel("epochs (passes over the training images)")
    axes.set_ylabel("loss")


def draw_scores(axes, results, root):
    """Frechet distance against seconds of training, a curve for each different run."""
    for i, (table, system) in enumerate(gan_vs_dcgan.different(results)):
        found = series([root / name for name in results["folders"][table][system]], "eval/frechet")
        if found is not None:
            added = ", equal time" if table == "time" else ""
            _band(axes, found[1], found[2], i, f"{results['systems'][system]['title']}{added}", "o")
    axes.set_yscale("log")
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("Frechet distance")


def _band(axes, x, values, i, label, marker=None):
    axes.plot(x, values.mean(0), color=page.COLORS[i], lw=1.3, label=label, marker=marker, ms=3)
    if len(values) > 1:
        axes.fill_between(x, values.min(0), values.max(0), color=page.COLORS[i], alpha=0.2, lw=0)


def plots(results, root):
    """[(function of axes, caption)] of the three plots."""
    level = "Dashed: 2 ln 2 = 1.386 for D and ln 2 = 0.693 for G, their values where D cannot tell."
    band = "Mean over seeds; the band reaches from the lowest to the highest."
    losses = [
        (
            lambda axes, system=system: draw_losses(axes, results, root, system),
            f"Losses of the {known['title']}. {level} {band}",
        )
        for system, known in results["systems"].items()
    ]
    scores = f"Frechet distance while training, of fewer images than at the end, so somewhat higher. {band}"
    return [*losses, (lambda axes: draw_scores(axes, results, root), scores)]


def draw(results, root, path):
    """All plots beside each other, as PNG."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    drawn = plots(results, root)
    for axes, (plot, _) in zip(figure.subplots(1, len(drawn)), drawn, strict=True):
        plot(axes)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def document(results, root):
    """The page. root: pathlib.Path of the study's folder, whose runs' curves and sample grids are shown."""
    drawn = "".join(
        page.figure(page.embed(page.chart(plot, 4.6, 3), "svg+xml", caption), caption)
        for plot, caption in plots(results, root)
    )
    said = "".join(f"<li>{html.escape(line)}</li>" for line in gan_vs_dcgan.verdicts(results, root))
    found = "".join(
        f"<h2>{html.escape(heading)}</h2>{_table(rows)}"
        for heading, rows in gan_vs_dcgan.blocks(results).items()
    )
    return page.document(
        TITLE,
        f'<h1>{TITLE}</h1><p class="soft">{html.escape(results["protocol"])}</p><h2>Verdict</h2><ul>{said}</ul>'
        f'{samples(results, root)}<h2>Training</h2><div class="pairs">{drawn}</div>{found}'
        '<p class="soft">Mean +- standard deviation over seeds; of classes the mean. Precision: share of the generated images '
        "that look real; recall: share of the real images that the generator could have made. Total variation: how far the "
        "shares of classes are from those of the training data.</p>",
    )


def _table(rows):
    """Plain cells, of which the last does not break."""
    lines = [
        [*row[:-1], page.Markup(f'<td class="n">{html.escape(row[-1])}</td>')] for row in rows[1:]
    ]
    return page.table([page.heads(rows[0]), *lines])


def samples(results, root):
    """S2's figures 3 and 6, from the first seed: samples where S2 shows them, and at the end of the run of equal time."""
    shown = ""
    for table, system in gan_vs_dcgan.different(results):
        known, names = results["systems"][system], results["folders"][table][system]
        if names:
            grids = {int(path.stem): path for path in (root / names[0] / "samples").glob("*.png")}
            step = known["shown"] if table == "lengths" else max(grids)
            where = (
                f"S2 shows {known['place']}"
                if table == "lengths"
                else f"the end at {results['titles'][table]}"
            )
            caption = f"{known['title']}, update {step:,} (epoch {step / known['steps_per_epoch']:.1f}): {where}."
            shown += page.figure(
                run_page.sheet(grids[step], f"samples of {known['title']}", 360), caption
            )
    return f'<h2>Samples</h2><div class="row">{shown}</div>' if shown else ""
