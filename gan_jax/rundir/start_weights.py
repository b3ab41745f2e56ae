"""The weights that a run with --init_from begins with: found, checked and recorded."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from gan_jax.config import Config, Prepared, Start
from gan_jax.core import transfer
from gan_jax.core.initialize import init_jitted, state_shapes
from gan_jax.core.state import GanState, Vars
from gan_jax.errors import InputError
from gan_jax.methods import freeze
from gan_jax.rundir import config_file, host_state, hub, run_folder
from gan_jax.rundir.run_folder import RunStatus

MAX_NAMED = 4  # new layers of a net that a line names


class Source(NamedTuple):
    """The weights of a run that others begin with."""

    config: Config
    step: int
    vs: Vars  # numpy leaves, averaged where the run averages them
    sha256: str  # digest of vs


def absolute(name: str) -> str:
    """Return --init_from with an absolute path; the name of a model on the hub stays as it is."""
    if not name or hub.is_name(name):
        return name
    return os.path.abspath(os.path.expanduser(name))


def portable(name: str) -> str:
    """Return --init_from with the last part of its path alone, for other machines."""
    return name if not name or hub.is_name(name) else os.path.basename(os.path.normpath(name))


def read(name: str) -> Source:
    """Read the weights of a run at its newest checkpoint.

    Args:
      name: a run folder, a published folder, or hf:USER/NAME in the local cache.

    Raises:
      InputError: there is no such run, or it cannot be read.
    """
    if not hub.is_name(name) and not (pathlib.Path(name) / config_file.NAME).is_file():
        raise InputError(
            f"--init_from={name} is neither a run folder nor a published one (no "
            f"{config_file.NAME}); name one, such as --init_from=runs/morpho_quick, or leave it "
            "out."
        )
    try:
        loaded = run_folder.load(name)
    except InputError as error:
        raise InputError(str(error).replace("--workdir=", "--init_from=")) from error
    vs = loaded.state.vars(ema=True)
    return Source(loaded.config, loaded.step, vs, host_state.digest(vs))


def prepare_all(
    folders: Sequence[pathlib.Path], runs: Sequence[Prepared], statuses: Sequence[RunStatus]
) -> list[Prepared]:
    """Give runs what they begin with; runs without --init_from stay as they are.

    The source is read where a run has no checkpoint yet. A run that goes on reads its own
    checkpoints alone, whatever has become of the source.

    Args:
      folders: run folder of each run.
      runs: Prepared, which differ in their seeds alone.
      statuses: of the folders.

    Raises:
      InputError: the source cannot be read, fits in no net, or has changed since a run began.
    """
    name = runs[0].config.run.init_from
    if not name:
        return list(runs)
    source, out = None, []
    for folder, prepared, status in zip(folders, runs, statuses, strict=True):
        if folder.resolve() == pathlib.Path(name).resolve():
            raise InputError(
                f"--init_from={name} is the folder of this run itself; use another --workdir."
            )
        record = None
        if status in (RunStatus.RESUMABLE, RunStatus.FINISHED):
            record = config_file.read(folder).get("init_from")
        if record and any(p.name.isdigit() for p in (folder / "checkpoints").glob("*")):
            out.append(prepared._replace(start=Start(record)))
            continue
        source = source or read(name)
        if record:
            _require_same(folder, record, source)
        out.append(prepared._replace(start=Start(describe(prepared, source), source.vs)))
    return out


def _require_same(folder, record, source):
    if record["sha256"] != source.sha256:
        raise InputError(
            f"{folder} began with the weights of {record['run']} at step {record['step']}, which "
            f"are at step {source.step} now, and had saved nothing; use --restart to begin with "
            "these, or another --workdir."
        )


def describe(prepared: Prepared, source: Source) -> dict[str, Any]:
    """Describe what a run begins with, as its config.json holds it.

    Returns:
      {"run", "experiment", "step", "sha256" of the weights there, "taken": {net: number of
      layers}, "new": {net: layers that are not from there}, perhaps "frozen": {"disc": layers}}.

    Raises:
      InputError: no layer fits, or one that is to be frozen does not.
    """
    shapes, name = state_shapes(prepared.method), prepared.config.run.init_from
    fitting = transfer.fitting_layers(Vars(shapes.params, shapes.batch_stats), source.vs)
    if not any(fitting.values()):
        flags = " ".join(_unlike(source.config, prepared.config))
        instead = f"use {flags} as that run has it" if flags else "name a run with such nets"
        raise InputError(
            f"--init_from={name}: no layer of that run ({source.config.experiment}) fits the nets "
            f"of this one; {instead}, or leave --init_from out."
        )
    frozen = _frozen_layers(prepared, fitting.get("disc", set()))
    new = {
        net: sorted(map(_named, transfer.layer_paths(shapes.params[net]) - layers))
        for net, layers in fitting.items()
    }
    return {
        "run": name,
        "experiment": source.config.experiment,
        "step": source.step,
        "sha256": source.sha256,
        "taken": {net: len(layers) for net, layers in fitting.items()},
        "new": {net: layers for net, layers in new.items() if layers},
        **({"frozen": {"disc": frozen}} if frozen else {}),
    }


def _frozen_layers(prepared, fitting):
    """List the layers of D that are frozen; refuse those that are not from the source."""
    run = prepared.config.run
    layers = freeze.first_layers(prepared.method, run.freeze_disc) if run.freeze_disc else []
    names = [[transfer.inner(path) for path in layer] for layer in layers]
    n = next((i for i, layer in enumerate(names) if not fitting.issuperset(layer)), len(names))
    if n < len(names):
        instead = f"use --freeze_disc={n}, or leave it out" if n else "leave it out"
        raise InputError(
            f"--freeze_disc={run.freeze_disc}: {'/'.join(names[n][0])} of D would be new, since "
            f"--init_from={run.init_from} has none that fits; {instead}."
        )
    return ["/".join(path) for layer in names for path in layer]


def _named(path):
    return "/".join(path) or "arrays of its own"


def _unlike(source, own):
    """List the flags of a source that shape nets and differ here: ["--width=64", ...]."""
    named = {"size": (source.run, own.run)}
    named |= {name: (source.hp, own.hp) for name in ("net", "width", "depth")}
    return [
        f"--{name}={getattr(there, name)}"
        for name, (there, here) in named.items()
        if getattr(there, name, None) != getattr(here, name, getattr(there, name, None))
    ]


def sentence(record: dict[str, Any]) -> str:
    """Say in a line what a run began with, and which layers are new. record: see `describe`."""
    parts = []
    for net, n in record["taken"].items():
        new = record["new"].get(net, [])
        named = ", ".join(new[:MAX_NAMED]) + (", ..." if len(new) > MAX_NAMED else "")
        some = f"{n} of {n + len(new)} layers, new: {named}"
        parts.append(f"{net} {some if n and new else 'new' if new else f'all {n} layers'}")
    return (
        f"began with the weights of {record['run']} ({record['experiment']}, step "
        f"{record['step']:,}): {'; '.join(parts)}"
        + (f"; frozen in disc: {', '.join(record['frozen']['disc'])}" if "frozen" in record else "")
    )


def first_state(prepared: Prepared) -> GanState:
    """Initialise the state of a run, with the weights of --init_from where it names some.

    Among several processes, those that are not the first have nothing to begin with: they get the
    state of process 0.

    Raises:
      InputError: the source is needed again, and has changed.
    """
    method, run, start = prepared.method, prepared.config.run, prepared.start
    state = init_jitted(method, run.seed)
    if start is None:
        return state
    vs = start.vs
    if vs is None:  # the run had checkpoints, and goes back to its beginning all the same
        source = read(run.init_from)
        _require_same("This run", start.record, source)
        vs = source.vs
    return transfer.begin(method, state, vs)
