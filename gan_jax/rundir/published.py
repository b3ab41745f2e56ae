"""Published folders: what sampling needs of a run, with checksums of all files.

  model.safetensors  the variables of the nets that sampling reads, averaged where the run averages
                     them; names are paths, such as params/gen/out/kernel
  config.json        the run's configuration and data, and "published": version, step and digest
  gan_jax.json       the format, and size and sha256 of every other file
  README.md          the model card, which people may edit: its content is not verified
  samples.png, ...   whatever else was published

A folder appears whole, by a rename, or not at all.
"""

import hashlib
import importlib.metadata
import json
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy

from gan_jax import cache
from gan_jax.core.initialize import state_shapes
from gan_jax.core.method import Method, make_context
from gan_jax.core.state import GanState, Vars
from gan_jax.errors import InputError, printable
from gan_jax.methods.base import DataSpec
from gan_jax.rundir import config_file, host_state

FORMAT = 1  # a version reads folders of its own format and of earlier ones
MANIFEST, MODEL, CARD = "gan_jax.json", "model.safetensors", "README.md"
EDITABLE = (CARD,)  # files whose content is not verified
N_TRACED = 64  # images that are traced, not made


def gan_jax_version() -> str:
    """Return the version of gan_jax."""
    return importlib.metadata.version("gan-jax")


def is_published(folder: pathlib.Path) -> bool:
    """Say whether a folder is a published one, be it damaged."""
    return (folder / MANIFEST).is_file() or (folder / MODEL).is_file()


def nets_of_sampling(method: Method, spec: DataSpec) -> tuple[str, ...]:
    """List the nets that Method.sample reads, in the order of method.nets.

    Args:
      method: Method.
      spec: the data that it was built for.
    """
    from jax.interpreters import partial_eval  # half-public: only publishing depends on it

    ctx, shapes = make_context(method), state_shapes(method)
    key = jax.eval_shape(lambda: jax.random.key(0))
    z, condition = jax.eval_shape(lambda key: method.latent(ctx, key, N_TRACED), key)
    if method.conditioning.needs_images:
        image = (N_TRACED, *spec.hw, spec.colors)
        condition = jax.ShapeDtypeStruct(image, np.float32)
    vs = Vars(shapes.params, shapes.batch_stats)
    sample = lambda vs, *inputs: method.sample(ctx, vs, *inputs)
    traced = jax.make_jaxpr(sample)(vs, z, condition, key).jaxpr
    _, is_used = partial_eval.dce_jaxpr(traced, [True] * len(traced.outvars))
    leaves = jax.tree_util.tree_leaves_with_path(vs)
    used = {path[1].key for (path, _), u in zip(leaves, is_used, strict=False) if u}
    return tuple(net for net in method.nets if net in used)


def contents(
    config: dict[str, Any], method: Method, spec: DataSpec, step: int, state: GanState
) -> dict[str, bytes]:
    """Make config.json and model.safetensors of a run.

    Args:
      config: what config.json of the run holds.
      method, spec: Method, and the data that it was built for.
      step: steps done.
      state: GanState of the run with numpy leaves.

    Returns:
      {file name: bytes}; equal runs give equal bytes.
    """
    nets, vs = nets_of_sampling(method, spec), state.vars(ema=True)
    vs = Vars(*({net: part[net] for net in nets} for part in vs))
    about = {
        "version": gan_jax_version(),
        "step": step,
        "averaged": [net for net in nets if net in state.ema],
        "state_sha256": host_state.digest(host_state.to_host(state)),
    }
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in named_leaves(vs).items()}
    text = json.dumps(config | {"published": about}, indent=1) + "\n"
    return {
        config_file.NAME: text.encode(),
        MODEL: safetensors.numpy.save(arrays, {"format": "flax"}),
    }


def named_leaves(vs: Vars) -> dict[str, Any]:
    """Return {path, such as "params/gen/out/kernel": leaf} of variables."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(vs)
    }


def check_place(out: pathlib.Path, overwrite: bool) -> None:
    """Refuse a place that a published folder cannot be written to.

    Args:
      out: the folder.
      overwrite: whether it may replace a published folder.

    Raises:
      InputError: something else is there, or a published folder that is not to be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or not is_published(out):
        raise InputError(f"--out={out} holds something else; name a new folder.")
    if not overwrite:
        raise InputError(
            f"--out={out} is a published folder already; add --overwrite to replace it, its "
            f"{CARD} too, or name a new folder."
        )


def write(out: pathlib.Path, files: Mapping[str, bytes], overwrite: bool = False) -> None:
    """Write a published folder, whole or not at all.

    Args:
      out: the folder.
      files: {name: bytes}: `contents`, README.md and whatever else is to be published.
      overwrite: replace a published folder that is there.

    Raises:
      InputError: see `check_place`; or the disk refuses.
    """
    check_place(out, overwrite)
    entries = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    }
    manifest = {"format": FORMAT, "version": gan_jax_version(), "files": entries}
    scratch = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        cache.remove_abandoned(out.parent)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix=cache.SCRATCH, dir=out.parent))
        new, old = scratch / "new", scratch / "old"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        _replace(out, new, old)
    except OSError as error:
        raise InputError(
            f"--out={out} cannot be written ({error.strerror or error}); make room, or name "
            "another folder."
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _replace(out, new, old):
    """Rename the folder `new` to `out`; what is there goes to `old`, or stays if that fails."""
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise


def verify(folder: pathlib.Path) -> dict[str, Any]:
    """Compare all files of a published folder with their checksums.

    Returns:
      what gan_jax.json holds.

    Raises:
      InputError: a file is missing, damaged or changed; another program, or a newer version, wrote
        the folder.
    """
    manifest = _read_manifest(folder)
    for name, entry in manifest["files"].items():
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path} is missing or cannot be read ({error.strerror}); download or publish the "
                "folder again."
            ) from error
        if name in EDITABLE:
            continue
        problem = ""
        if len(content) != entry["bytes"]:
            problem = f"{len(content)} bytes instead of {entry['bytes']}"
        elif hashlib.sha256(content).hexdigest() != entry["sha256"]:
            problem = "it does not match its checksum"
        if problem:
            raise InputError(
                f"{path} is damaged or was changed ({problem}); download or publish the folder "
                "again."
            )
    return manifest


def _read_manifest(folder):
    """Read gan_jax.json and check its form. Raises InputError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"{folder} holds {MODEL} but no {MANIFEST}: gan_jax did not publish it, or a part was "
            "lost; use a folder that `gan-jax publish` wrote."
        )
    try:
        manifest = json.loads(path.read_text())
        version, files = manifest["format"], manifest["files"]
        if type(version) is not int:
            raise ValueError("its format is not a number")
        if version <= FORMAT:
            _check_entries(files)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); download or publish the folder again."
        ) from error
    if version > FORMAT:
        raise InputError(
            f"{folder} was published by gan_jax {printable(manifest.get('version', '?'))} in "
            f"format {version}, and this version reads up to {FORMAT}; install a newer gan_jax."
        )
    return manifest


def _check_entries(files):
    """Raise ValueError, KeyError or TypeError for entries of files that `write` does not make."""
    for name, entry in files.items():
        if pathlib.PurePath(name).name != name:
            raise ValueError(f"{name!r} is not the name of a file in the folder")
        if type(entry["bytes"]) is not int or not isinstance(entry["sha256"], str):
            raise ValueError(f"the entry of {name} is not a size and a checksum")
    for name in (config_file.NAME, MODEL):
        if name not in files:
            raise ValueError(f"it does not list {name}")


def load_state(folder: pathlib.Path, method: Method) -> tuple[int, GanState]:
    """Load the variables of a published folder that was verified.

    Args:
      folder: the folder.
      method: the Method of its configuration.

    Returns:
      (step, GanState with numpy leaves). It holds the nets that sampling reads alone, averaged
      where the run averaged them, and no optimizer state; `vars(True)` and `vars(False)` are equal.

    Raises:
      InputError: the file holds other arrays than this version expects.
    """
    path = folder / MODEL
    try:
        step = int(config_file.read(folder)["published"]["step"])
        arrays = safetensors.numpy.load(path.read_bytes())
        nets = {name.split("/")[1] for name in arrays}
    except (KeyError, TypeError, IndexError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{folder} is not what gan_jax publishes ({type(error).__name__}: {error}); download "
            "or publish it again."
        ) from error
    shapes = state_shapes(method)
    parts = (shapes.params, shapes.batch_stats)
    wanted = Vars(*({n: part[n] for n in method.nets if n in nets} for part in parts))
    names = list(named_leaves(wanted))
    _check_same(path, arrays, named_leaves(wanted))
    vs = jax.tree.unflatten(jax.tree.structure(wanted), [arrays[name] for name in names])
    none: Any = np.array(-1, np.int32)
    scalars: Any = {"step": np.array(step, np.int32), "bad_step": none, "bad_player": none}
    key = jax.random.key(0)  # training alone reads it
    return step, GanState(
        **scalars,
        key=key,
        params=vs.params,
        batch_stats=vs.batch_stats,
        opt_state={},
        ema={},
        controls={},
    )


def _check_same(path, arrays, wanted):
    """Raise InputError unless arrays and shapes have equal names, types and shapes."""
    have, want = host_state.describe(arrays), host_state.describe(wanted)
    if have != want:
        name = sorted(set(have.items()) ^ set(want.items()))[0][0]
        raise InputError(
            f"{path} has {have.get(name, 'nothing')} at {name}, and this version expects "
            f"{want.get(name, 'nothing')}; use the version that published it."
        )
