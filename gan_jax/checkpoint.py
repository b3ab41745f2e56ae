"""Checkpoints of a run: orbax on disk, a checksum over every value, damage reported and stepped over.

A checkpoint holds host copies, so it does not know which devices wrote it, and reads back as numpy arrays.
"""

import hashlib
import logging
import pathlib
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from gan_jax.errors import InputError

logging.getLogger("absl").setLevel(logging.ERROR)  # orbax narrates every save


def to_host(tree):
    """The tree with numpy leaves: copies, safe from donation; random keys as their uint32 data."""

    def copy(x):
        is_key = isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return np.array(jax.random.key_data(x) if is_key else x)

    return jax.tree.map(copy, tree)


def from_host(host, like):
    """The inverse of to_host: random keys where `like` (arrays or shapes) has them."""

    def restore(x, l):
        return jax.random.wrap_key_data(jnp.asarray(x)) if jnp.issubdtype(l.dtype, jax.dtypes.prng_key) else x

    return jax.tree.map(restore, host, like)


def digests(host):
    """{leaf path: sha256 hex} of a host tree: name, type, shape and bytes of each leaf."""
    out = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(host):
        name, leaf = jax.tree_util.keystr(path), np.asarray(leaf)
        h = hashlib.sha256(f"{name} {leaf.dtype} {leaf.shape}".encode())
        h.update(np.ascontiguousarray(leaf).data)
        out[name] = h.hexdigest()
    return out


def digest(host):
    """One sha256 hex over all leaves."""
    return hashlib.sha256("\n".join(f"{k} {v}" for k, v in digests(host).items()).encode()).hexdigest()


class Store:
    """The checkpoints of one run folder: the newest two, and the best by a score if asked.

    Use as a context manager: leaving it waits for the save in progress, without which that save would be lost.
    """

    def __init__(self, workdir, best=None, read_only=False):
        """best: name of a score that is smaller when better, or None. read_only: touch nothing, another process may train."""
        self._best = best
        self._root = pathlib.Path(workdir).resolve() / "checkpoints"
        keep, score = [policy.LatestN(2)], None
        if best:
            score = lambda scores: scores[best]  # noqa: E731
            keep.append(policy.BestN(get_metric_fn=score, reverse=True, n=1, keep_checkpoints_without_metrics=False))
        writing = {"preservation_policy": policy.AnyPreservationPolicy(keep), "cleanup_tmp_directories": True}
        options = ocp.CheckpointManagerOptions(
            read_only=read_only,
            best_fn=score,  # without it the scores are not stored
            best_mode="min",
            **({} if read_only else writing),
        )
        self._manager = ocp.CheckpointManager(self._root, options=options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._manager.close()

    def steps(self):
        """Steps that have a finished checkpoint, in order."""
        return sorted(self._manager.all_steps())

    def best_step(self):
        """The step whose best score is smallest; None if none was scored."""
        return self._manager.best_step() if self._best else None

    def save(self, step, state, tally, scores=None):
        """Saves in the background. state, tally: device or host trees. scores: {name: float} of this step, if any."""
        state, tally = to_host(state), to_host(tally)
        meta = {"step": step, "state": digest(state), "tally": digest(tally), "leaves": describe(state)}
        args = {"state": ocp.args.StandardSave(state), "tally": ocp.args.StandardSave(tally), "meta": ocp.args.JsonSave(meta)}
        if not self._manager.save(step, metrics=scores, args=ocp.args.Composite(**args)):
            raise RuntimeError(f"Checkpoint {step} in {self._root} was not saved; the newest there is {self.steps()[-1:]}.")

    def load(self, step, state, tally=None):
        """One checkpoint as host trees, its checksums verified.

        Args:
          step: which.
          state, tally: trees of arrays or shapes of the expected structure; tally may be left out.

        Returns:
          (state, tally), leaves numpy except random keys.

        Raises:
          InputError: it holds other arrays than expected, so another version wrote it.
          whatever orbax raises on damage; ValueError if the values do not match their checksum.
        """
        expected = {"state": state} | ({} if tally is None else {"tally": tally})
        shapes = jax.eval_shape(lambda tree: jax.tree.map(_key_data, tree), expected)
        meta = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
        _same_leaves(meta["leaves"], describe(shapes["state"]), self._root / str(step))
        empty = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), shapes)
        args = {name: ocp.args.StandardRestore(tree) for name, tree in empty.items()}
        out = self._manager.restore(step, args=ocp.args.Composite(**args))
        for name in args:
            if digest(out[name]) != meta[name]:
                raise ValueError(f"the {name} does not match its checksum")
        return from_host(out["state"], state), out["tally"] if tally is not None else None

    def load_newest(self, state, tally=None, keep=False):
        """(step, state, tally) of the newest intact checkpoint, or None if there is none at all.

        A damaged one is named on stderr and the one before is tried. Unless `keep`, it is moved to `damaged/` in the run
        folder, so that its step can be saved again.

        Raises:
          InputError: there are checkpoints, but none is intact, or another version wrote them.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return step, *self.load(step, state, tally)
            except (InputError, MemoryError):
                raise
            except Exception as error:  # damage shows as a dozen exception types
                damaged, place = self._root / str(step), self._root.parent / "damaged" / str(step)
                what = "trying an older one" if keep else f"moved to {place}, trying an older one"
                print(f"Checkpoint {damaged} is damaged ({_first_line(error)}); {what}.", file=sys.stderr)
                if not keep:
                    shutil.rmtree(place, ignore_errors=True)
                    place.parent.mkdir(exist_ok=True)
                    shutil.move(damaged, place)
                    self._manager.reload()
        if steps:
            raise InputError(f"None of the checkpoints in {self._root} is intact; --restart begins again from nothing.")
        return None


def describe(tree):
    """{leaf path: "type[shape]"} of a tree of arrays or shapes."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _same_leaves(stored, expected, path):
    if stored != expected:
        name = sorted(set(stored.items()) ^ set(expected.items()))[0][0]
        raise InputError(
            f"Checkpoint {path} has {stored.get(name, 'nothing')} at {name}, and this version expects "
            f"{expected.get(name, 'nothing')}; use the version that wrote it, or --restart."
        )


def _key_data(x):
    return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x


def load_state(workdir, state, which="newest", best=None):
    """(step, state) of a run folder, for commands that only read it; the run may be training meanwhile.

    Args:
      state: tree of shapes, as gan_jax.state.shapes gives.
      which: "newest" (intact one), "best", or a step with a checkpoint.
      best: the score that "best" goes by.

    Raises:
      InputError: there is no such checkpoint, or it is damaged.
    """
    if not (pathlib.Path(workdir) / "checkpoints").is_dir():
        raise InputError(f"--workdir={workdir} has no checkpoints yet; train into it first.")
    with Store(workdir, best, read_only=True) as store:
        steps = store.steps()
        if which == "newest" and steps:
            return store.load_newest(state, keep=True)[:2]
        step = store.best_step() if which == "best" else int(which) if which.isdigit() else None
        if step not in steps:
            have = ", ".join(map(str, steps)) or "none"
            raise InputError(
                f"--checkpoint={which} is not in {workdir}; it has newest, best if trained with --keep_best, and: {have}."
            )
        try:
            return step, store.load(step, state)[0]
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"Checkpoint {step} of {workdir} is damaged ({_first_line(error)}); choose another.") from error


def _first_line(error):
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
