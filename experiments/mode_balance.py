"""S3's figure 3, re-measured: which GAN covers the classes of the data, and at what cost?

Trains Morpho-GAN, Dist-GAN, DCGAN, and DCGAN's plain loss on Morpho-GAN's nets on one data set, with the same size, width,
batch, optimizer, averaging and way of sampling, from several seeds. All runs of a seed train in turns in one process, so that
what disturbs the machine disturbs them alike. Two tables: after an equal number of generator updates, and after equal wall
time, for which the faster systems get as many updates as fit into the time of the slowest (measured first, in turns too, and
kept in study.json; the time really taken stands in the table, exact if the study was not interrupted). Beside them real images
(the floor) and real images of one class only (the collapsed control).

S3 (Abduazimov and Jo) shows bars without numbers, seeds or spread, and claims that DCGAN collapses where Morpho-GAN and
Dist-GAN do not, and that Morpho-GAN is the lighter of the two. Writes results.json, tables.md, shares.png and samples.png into
the study folder, in which every run has a folder; the same command continues a study that was stopped. Flagfiles:
mode_balance_smoke (seconds), mode_balance_galaxyzoo128 (S3's setting, a GPU). Without one: 45 minutes on 2 cores.
"""

import dataclasses
import json
import pathlib
import sys

import numpy as np

from experiments import common, dcgan, distgan, morpho
from gan_jax import turns
from gan_jax.errors import InputError
from gan_jax.settings import Run, setting

# name: (in words, experiment, settings beyond the experiment's own)
SYSTEMS = {
    "morpho": ("Morpho-GAN", morpho, {}),
    "distgan": ("Dist-GAN", distgan, {}),
    "dcgan": ("DCGAN", dcgan, {}),
    "dcgan_hdcgan": ("DCGAN's loss, Morpho-GAN's nets", dcgan, {k: morpho.DEFAULTS[k] for k in ("net", "input_noise")}
                     | {"init": "xavier", "pixels": "sigmoid"}),
}  # fmt: skip
SCORES = {
    "frechet": "Frechet distance",
    "total_variation": "total variation",
    "kl": "KL (nats)",
    "classes_5pct": "classes >= 5 %",
}
COMPARED = ("total_variation", "frechet")  # scores that systems are compared by


@dataclasses.dataclass(frozen=True)
class Study(common.Command):
    """Flags of this study."""

    workdir: str = setting("runs/mode_balance", "the study folder")
    seeds: int = setting(3, "training seeds, from --seed on", low=1)
    turns: int = setting(20, "turns in which the runs of a seed alternate", low=1)
    n_images: int = setting(5000, "generated images that are scored, per run", low=100)
    pace_steps: int = setting(10, "steps per turn while the time of a step is measured", low=1)


@dataclasses.dataclass(frozen=True)
class Shared:
    """What all systems have in common besides the data and the batch."""

    width: int = setting(16, "channels next to the image; deeper layers have multiples of it", low=1)
    lr: float = setting(1e-3, "Adam's learning rate", above=0.0)
    beta1: float = setting(0.5, "Adam's decay of the gradient mean", low=0.0, high=0.9999)
    beta2: float = setting(0.9, "Adam's decay of the squared gradient", low=0.0, high=0.999999)
    ema: float = setting(0.995, "decay of the averaged generator that is scored; 0: none", low=0.0, high=0.999999)
    sample_stats: str = setting("batch", "BatchNorm statistics when sampling", choices=("batch", "running"))


RUN = Run(size=32, batch=32, steps=1000)
GROUPS = (Study(), RUN, Shared())  # all flags


def hyperparameters(system, shared):
    """The Settings of a system's method: the experiment's own defaults, with what all share."""
    from gan_jax import methods

    _, experiment, own = SYSTEMS[system]
    return methods.TABLE[experiment.METHOD].Settings(**{**experiment.DEFAULTS, **own, **dataclasses.asdict(shared)})


def build_config(system, run, shared, source):
    """config.Config of one run of a system."""
    from gan_jax import config

    experiment = SYSTEMS[system][1]
    name = experiment.__name__.rpartition(".")[2]
    return config.Config(name, experiment.METHOD, run, hyperparameters(system, shared), config.describe(source))


def run_pace(root, run, shared, source, n_steps):
    """{system: time of its step, the slowest's being 1}, once measured. Raises InputError: the study has other settings."""
    from gan_jax import study

    configs = {s: build_config(s, dataclasses.replace(run, seed=0), shared, source) for s in SYSTEMS}  # for any seeds
    study.keep(root, configs)
    return turns.pace(root, configs, source, n_steps)


def score(folder, see, ref, n):
    """(row of one run: its scores, steps and seconds of training; 8 of its images)."""
    import jax

    from gan_jax import evaluate, log, runs, sampling

    trained = runs.load(folder)
    pictures = sampling.build_sampler(trained.method)(trained.state.vars(ema=True), jax.random.key(0), n)
    row = evaluate.row(see, [(ref, see(pictures))])
    spent = log.read(folder / "metrics.jsonl")[-1]["wall"]["train_s"]
    return row | {"steps": trained.step, "train_s": spent}, pictures[:8]


def collect(jobs, folders, diverged, source, heldout, extractor, n):
    """(results as JSON-able dict, {(table, system): 8 images of the first seed}).

    folders: {(table, system): one folder per seed}.
    """
    from gan_jax import evaluate, metrics

    see = evaluate.look(extractor, source, metrics.TRAINING)
    ref, drawn = evaluate.reference(see, source, 0)
    kind, floors = evaluate.floor(see, source, heldout, ref, drawn, n, 3, 0)
    what, control = evaluate.collapsed(ref, n, 0)
    rows, pictures, n_features = {}, {}, ref["features"].shape[1]
    for job in jobs:
        scored = [score(folder, see, ref, n) for folder in folders[job] if folder.name not in diverged]
        rows[job] = [row for row, _ in scored]
        pictures[job] = scored[0][1] if scored else None
    return {
        "classes": list(extractor.classes),
        "seeds": len(folders["updates", "morpho"]),
        "protocol": f"{n} images against {len(drawn)} real ones of {source.name} at {source.images.shape[1]} px in "
        f"{n_features} features of {extractor.name} (balanced accuracy {100 * extractor.accuracy:.1f} %). "
        f"Floor: {kind}. Collapsed: {what}.",
        "real (floor)": evaluate.row(see, floors),
        "collapsed": evaluate.row(see, [(ref, control)]),
        "training data": {"fractions": evaluate.modes.fractions(ref["probs"]).tolist()},
        # A system as slow as the slowest has one run for both tables.
        "tables": {t: {s: rows.get((t, s), rows["updates", s]) for s in SYSTEMS} for t in turns.TABLES},
        "diverged": diverged,
    }, {t: {s: pictures.get((t, s), pictures["updates", s]) for s in SYSTEMS} for t in turns.TABLES}


def table(results, which):
    """One of turns.TABLES as Markdown: mean +- standard deviation over seeds."""
    from gan_jax import seeds

    head = ["system", "updates", "minutes", *SCORES.values(), *results["classes"]]
    lines = [f"**{turns.TABLES[which]}**", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]

    def cells(name, rows, updates="", minutes=""):
        scores = [seeds.text([row[score] for row in rows], 1 if score == "classes_5pct" else 3) for score in SCORES]
        shares = [seeds.text([100 * row["fractions"][i] for row in rows], 1) for i in range(len(results["classes"]))]
        return f"| {' | '.join([name, updates, minutes, *scores, *shares])} |"

    for system, rows in results["tables"][which].items():
        name, n = SYSTEMS[system][0], results["seeds"]
        name += f" ({len(rows)} of {n} seeds, the others diverged)" if len(rows) < n else ""
        if rows:
            minutes = seeds.text([row["train_s"] / 60 for row in rows], 1)
            lines.append(cells(name, rows, f"{rows[0]['steps']:,}", minutes))
        else:
            lines.append(f"| {name} |")
    lines += [cells(name, [results[name]]) for name in ("real (floor)", "collapsed")]
    return "\n".join(lines)


def verdicts(results):
    """Sentences on S3's claims, from the measured intervals, which hold for all comparisons together."""
    from gan_jax import seeds

    found, pairs = results["tables"], {}
    for which, words in turns.TABLES.items():
        for other in [s for s in found[which] if s != "morpho" and found[which][s] and found[which]["morpho"]]:
            if which == "updates" or found[which][other] != found["updates"][other]:  # else it is the same comparison
                pairs |= {(words, other, score): (found[which]["morpho"], found[which][other]) for score in COMPARED}
    lines = []
    for (words, other, score), rows in pairs.items():
        a, b = ([row[score] for row in part] for part in rows)
        said = seeds.verdict("Morpho-GAN", a, SYSTEMS[other][0], b, SCORES[score], 3, len(pairs))
        lines.append(f"{words}: {said}")
    for which, words in turns.TABLES.items():
        for system, rows in found[which].items():
            if n := sum(row["classes_5pct"] <= 1 for row in rows):
                lines.append(f"{words}: {SYSTEMS[system][0]} collapsed to one class in {n} of {len(rows)} seeds.")
    times = {s: np.mean([row["train_s"] for row in rows]) for s, rows in found["time"].items() if rows}
    ratios = ", ".join(f"{SYSTEMS[s][0]} {t / max(times.values()):.2f}" for s, t in times.items())
    lines.append(f"{turns.TABLES['time']}, as it turned out (the longest is 1): {ratios}.")
    return lines + [f"Diverged: {name}: {why}" for name, why in results["diverged"].items()]


def draw_shares(results, path):
    """Figure 3: the share of every class, for the data and each system, a panel per table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, len(turns.TABLES), sharey=True)
    for axes, which in zip(panels, turns.TABLES, strict=True):
        tables = results["tables"][which]
        bars = {"training data": [results["training data"]], **{SYSTEMS[s][0]: rows for s, rows in tables.items() if rows}}
        place, width = np.arange(len(results["classes"])), 0.84 / len(bars)
        for i, (name, rows) in enumerate(bars.items()):
            shares = 100 * np.array([row["fractions"] for row in rows])
            spread = shares.std(0, ddof=1) if len(rows) > 1 else None
            color = "#80858d" if i == 0 else None
            axes.bar(place + (i - len(bars) / 2 + 0.5) * width, shares.mean(0), width, yerr=spread, label=name, color=color)
        axes.set_xticks(place, results["classes"])
        axes.set_title(turns.TABLES[which], loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("% of the images, by one classifier")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path, dpi=110)


def draw_samples(pictures, source, path):
    """Eight images of every system (first seed), a panel per table, real ones on top."""
    from matplotlib.figure import Figure

    from gan_jax import images

    figure = Figure(figsize=(14, 5), layout="constrained")
    for panel, which in zip(figure.subplots(1, len(turns.TABLES)), turns.TABLES, strict=True):
        rows = {"real": source.images[:8], **{SYSTEMS[s][0]: p for s, p in pictures[which].items() if p is not None}}
        grid = images.grid(np.concatenate(list(rows.values())), 8, 4)
        panel.imshow(grid.squeeze(), cmap="gray", interpolation="nearest")
        step = grid.shape[0] / len(rows)
        panel.set_yticks([(i + 0.5) * step for i in range(len(rows))], list(rows))
        panel.set_xticks([])
        panel.tick_params(length=0)
        panel.set_title(turns.TABLES[which], loc="left")
        panel.spines[:].set_visible(False)
    figure.savefig(path, dpi=110, bbox_inches="tight")


def run(argv):
    """Command line to tables."""
    from gan_jax import runs
    from gan_jax.data import source as sources

    (study, base, shared), _ = common.parse(__doc__, "experiments.mode_balance", GROUPS, argv)
    base = dataclasses.replace(base, data=sources.absolute(base.data), resident_gib=_share_of_memory(base))
    source, heldout, extractor = open_data(study, base, shared)
    root = pathlib.Path(study.workdir).expanduser()
    with runs.claim(root):
        jobs = turns.plan(run_pace(root, base, shared, source, study.pace_steps), base.steps)
        numbers = range(base.seed, base.seed + study.seeds)
        folders = {job: [root / f"{'_'.join(job)}_{seed}" for seed in numbers] for job in jobs}
        diverged = {}
        for i, seed in enumerate(numbers):
            configs = {
                job: build_config(job[1], dataclasses.replace(base, seed=seed, steps=steps), shared, source)
                for job, steps in jobs.items()
            }
            diverged |= turns.advance(configs, {job: paths[i] for job, paths in folders.items()}, source, study.turns)
        results, pictures = collect(jobs, folders, diverged, source, heldout, extractor, study.n_images)
        write(root, results, pictures, source)


def write(root, results, pictures, source):
    """Prints the tables and writes all that the study leaves."""
    from gan_jax import cache

    cache.write_atomic(root / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    parts = [
        table(results, "updates"),
        table(results, "time"),
        "\n".join(f"- {v}" for v in verdicts(results)),
        results["protocol"],
    ]
    cache.write_atomic(root / "tables.md", "\n\n".join(parts) + "\n")
    draw_shares(results, root / "shares.png")
    draw_samples(pictures, source, root / "samples.png")
    print("\n\n".join(parts))
    print(f"Written: tables.md, results.json, shares.png, samples.png in {root}")


def open_data(study, base, shared):
    """(training Source, held-out Source or None, Extractor), after everything that can be refused was looked at."""
    import jax

    from gan_jax import config, evaluate, metrics
    from gan_jax.data import source as sources
    from gan_jax.metrics import features

    for system in SYSTEMS:
        config.validate_settings(base, hyperparameters(system, shared), len(jax.devices()))
    if base.eval_every or base.tensorboard:
        raise InputError(
            "--eval_every and --tensorboard are not for a study, which scores its runs at the end; leave them out."
        )
    source = sources.load(base.data, sources.view(base))
    if source.labels is None or len(np.unique(source.labels[source.labels >= 0])) < 2:
        raise InputError(f"--data={source.name} has no two classes, so no balance to measure; use one folder per class.")
    evaluate.check(source, study.n_images, "n_images", metrics.TRAINING)
    heldout = sources.load_heldout(source, sources.view(base))
    return source, heldout, features.load(source, heldout)


def _share_of_memory(base):
    """--resident_gib of one run, where all runs of a seed are in memory together."""
    from gan_jax import parallel

    return base.resident_gib if base.resident_gib >= 0 else 0.4 * parallel.memory_gib() / (len(SYSTEMS) * len(turns.TABLES))


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
