"""Checkpoints of a run: written by orbax, with a checksum over every value.

A checkpoint holds host copies, so it does not know which devices wrote it. It is a folder named by
its step, which appears whole, by rename, or not at all. A damaged one is reported and the one
before it is used.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
from concurrent import futures

import jax
import numpy as np

from gan_jax.core.state import GanState
from gan_jax.errors import InputError
from gan_jax.rundir import host_state, legacy, log

# What a removal leaves where it is interrupted, and an interrupted save, as orbax calls it: with
# some versions a number follows.
_LEFT = re.compile(r"\d+\.(removed|orbax-checkpoint-tmp.*)")


class Store:
    """The checkpoints of one run folder: the newest two, and the best by a score if there is one.

    Use as a context manager. Leaving waits for the save in progress, which would be lost otherwise.
    """

    def __init__(
        self, workdir: str | os.PathLike, best: str | None = None, read_only: bool = False
    ):
        """Open the store.

        Args:
          workdir: the run folder.
          best: name of a score of which smaller is better, "-NAME" of one of which larger is
            better, or None.
          read_only: change nothing on disk, since another process may be training.
        """
        self._best, self._sign = (best or "").lstrip("-"), -1 if (best or "").startswith("-") else 1
        self._root = pathlib.Path(workdir).resolve() / "checkpoints"
        self._read_only = read_only
        self._writer, self._saving = futures.ThreadPoolExecutor(1), None
        if not read_only:
            self._root.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.wait()
        finally:
            self._writer.shutdown()

    def prepare(self) -> None:
        """Import what saves, in the background."""
        self._writer.submit(_files)

    def steps(self) -> list[int]:
        """List the steps that have a checkpoint, in order, after the save in progress."""
        self.wait()
        return self._steps()

    def best_step(self) -> int | None:
        """Return the step with the best score, the newest of equals; None if none was scored.

        Raises:
          InputError: the scores of a checkpoint are damaged, so that the best is not known.
        """
        scores = {}
        for step in self.steps() if self._best else ():
            try:
                scores[step] = self._score(step)
            except Exception as error:
                raise InputError(
                    f"Checkpoint {self._root / str(step)} is damaged ({_first_line(error)}), so "
                    "the best is not known; use --checkpoint=newest, or one by its step."
                ) from error
        return _smallest(scores)

    def save(self, step: int, state, tally, scores: dict[str, float] | None = None) -> None:
        """Save in the background.

        A full disk is reported on stderr, and the checkpoints saved before stay.

        Args:
          step: steps done.
          state, tally: device or host trees.
          scores: {name: score} of this step, if any.

        Raises:
          Exception: whatever else the save before this one raised.
        """
        self.wait()
        self._saving = self._writer.submit(
            self._save, step, host_state.to_host(state), host_state.to_host(tally), scores
        )

    def wait(self) -> None:
        """Wait for the save in progress. Raises what it raised, unless the disk was full."""
        saving, self._saving = self._saving, None
        if saving:
            saving.result()

    def _save(self, step, state, tally, scores):
        content = {
            "step": step,
            "state": host_state.digest(state),
            "tally": host_state.digest(tally),
            "leaves": host_state.describe(state),
            "scores": scores,
        }
        meta = {"content": content, "sha256": _sha256(content)}
        self._sweep()
        try:
            _files().save(self._root / str(step), state, tally, meta)
        except Exception as error:  # tensorstore has no type of its own for a full disk
            if not log.disk_full(error):
                raise
            self._sweep()
            n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves((state, tally)))
            consequence = (
                "Training goes on and tries again at the next save; "
                f"the newest on disk is {self._newest()}."
            )
            what = f"checkpoint {step} ({n_bytes / 1e6:.1f} MB)"
            log.say_full(what, self._root, error, consequence)
        else:
            self._prune()

    def newest(self) -> str:
        """Name the newest checkpoint in words, after the save in progress."""
        self.wait()
        return self._newest()

    def _newest(self):
        return f"checkpoint {self._steps()[-1]}" if self._steps() else "none"

    def _steps(self):
        return sorted(int(path.name) for path in self._root.glob("*") if path.name.isdigit())

    def _sweep(self):
        """Remove what interrupted saves and removals left."""
        for path in self._root.glob("[0-9]*.*"):
            if _LEFT.fullmatch(path.name):  # a copy of the user's, such as 5000.bak, stays
                shutil.rmtree(path, ignore_errors=True)

    def _prune(self):
        """Keep the newest two, the best, and those with a damaged score."""
        scores, unknown = {}, set()
        for step in self._steps() if self._best else ():
            try:
                scores[step] = self._score(step)
            except Exception:
                unknown.add(step)
        for step in set(self._steps()[:-2]) - unknown - {_smallest(scores)}:
            (self._root / str(step)).rename(
                self._root / f"{step}.removed"
            )  # it must not look whole when half removed
        self._sweep()

    def forget_after(self, step: int) -> None:
        """Remove the checkpoints of later steps."""
        for later in [s for s in self.steps() if s > step]:
            (self._root / str(later)).rename(self._root / f"{later}.removed")
        self._sweep()

    def _score(self, step):
        value = (self._meta(step)["scores"] or {}).get(self._best)
        return None if value is None else self._sign * value

    def _meta(self, step):
        """Read and verify the description of a checkpoint.

        Raises:
          Exception: it is damaged: ValueError, or what orbax raises.
        """
        meta = _files().load_meta(self._root / str(step))
        if "leaves" in meta:
            return meta  # written before there was a checksum here, and scores
        if _sha256(meta["content"]) != meta["sha256"]:
            raise ValueError("its description does not match its checksum")
        if meta["content"]["step"] != step:
            raise ValueError(f"it holds step {meta['content']['step']}")
        return meta["content"]

    def load(self, step: int, state, tally=None) -> tuple:
        """Load one checkpoint as host trees, and verify its checksums.

        Args:
          step: step of the checkpoint.
          state, tally: trees of arrays or shapes of the expected structure; tally may be left out.

        Returns:
          (state, tally) with numpy leaves, except random keys.

        Raises:
          InputError: it holds other arrays than expected, so another version wrote it.
          Exception: it is damaged: ValueError for a wrong checksum, or what orbax raises.
        """
        expected = {"state": state} | ({} if tally is None else {"tally": tally})
        shapes = jax.eval_shape(lambda tree: jax.tree.map(host_state.key_data, tree), expected)
        meta = self._meta(step)
        is_before = isinstance(state, GanState) and _is_before(meta["leaves"], shapes["state"])
        if is_before:
            shapes["state"] = legacy.to_v0_1(shapes["state"])
        instead = "" if self._read_only else ", or --restart"
        path = self._root / str(step)
        _same_leaves(meta["leaves"], host_state.describe(shapes["state"]), path, instead)
        empty = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), shapes)
        out = _files().load(path, empty)
        for name in empty:
            if host_state.digest(out[name]) != meta[name]:
                raise ValueError(f"the {name} does not match its checksum")
        restored = legacy.from_v0_1(out["state"]) if is_before else out["state"]
        return host_state.from_host(restored, state), out["tally"] if tally is not None else None

    def load_newest(self, state, tally=None, keep: bool = False) -> tuple | None:
        """Load the newest intact checkpoint.

        A damaged one is named on stderr, and the one before it is tried. One that a run in training
        removes meanwhile is not damaged: there is a newer one.

        Args:
          state, tally: see `load`.
          keep: leave damaged ones where they are. Otherwise they are moved to `damaged/` in the run
            folder, so that their steps can be saved again.

        Returns:
          (step, state, tally), or None if there is no checkpoint at all.

        Raises:
          InputError: there are checkpoints, but none is intact, or another version wrote them.
        """
        tried, is_damaged = set(), False
        while steps := [step for step in self.steps() if step not in tried]:
            step = steps[-1]
            tried.add(step)
            try:
                return step, *self.load(step, state, tally)
            except (InputError, MemoryError):
                raise
            except Exception as error:  # damage shows as a dozen exception types
                if step not in self.steps():
                    continue
                is_damaged = True
                damaged, place = self._root / str(step), self._root.parent / "damaged" / str(step)
                what = "trying an older one" if keep else f"moved to {place}, trying an older one"
                print(
                    f"Checkpoint {damaged} is damaged ({_first_line(error)}); {what}.",
                    file=sys.stderr,
                )
                if not keep:
                    shutil.rmtree(place, ignore_errors=True)
                    place.parent.mkdir(exist_ok=True)
                    shutil.move(damaged, place)
        if is_damaged:
            instead = "train again" if self._read_only else "use --restart to begin from nothing"
            raise InputError(f"None of the checkpoints in {self._root} is intact; {instead}.")
        return None


def _files():
    """Import the module that writes and reads the files, see there."""
    from gan_jax.rundir import checkpoint_files

    return checkpoint_files


def _smallest(scores):
    """Return the key of the smallest value, the largest key among equals; skip None."""
    return min(
        (s for s in scores if scores[s] is not None), key=lambda s: (scores[s], -s), default=None
    )


def _sha256(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_before(leaves, shapes):
    """Whether an earlier version, with other field names, wrote a checkpoint with these leaves."""
    return leaves != host_state.describe(shapes) and leaves == host_state.describe(
        legacy.to_v0_1(shapes)
    )


def _same_leaves(stored, expected, path, instead):
    """Refuse a checkpoint of other arrays. instead: what else than its version can be used."""
    if stored != expected:
        name = sorted(set(stored.items()) ^ set(expected.items()))[0][0]
        raise InputError(
            f"Checkpoint {path} has {stored.get(name, 'nothing')} at {name}, and this version "
            f"expects {expected.get(name, 'nothing')}; use the version that wrote it{instead}."
        )


def load_state(
    workdir: str | os.PathLike, state, which: str = "newest", best: str | None = None
) -> tuple[int, GanState]:
    """Load a checkpoint of a run that may be training meanwhile.

    Args:
      workdir: the run folder; nothing in it is changed.
      state: tree of shapes, see core.initialize.state_shapes.
      which: "newest" (intact one), "best", or a step with a checkpoint.
      best: score that "best" goes by, see `Store`.

    Returns:
      (step, state).

    Raises:
      InputError: there is no such checkpoint, or it is damaged.
    """
    if not (pathlib.Path(workdir) / "checkpoints").is_dir():
        raise InputError(f"--workdir={workdir} has no checkpoints yet; train into it first.")
    with Store(workdir, best, read_only=True) as store:
        steps = store.steps()
        if which == "newest" and (newest := store.load_newest(state, keep=True)):
            return newest[:2]
        if not steps:
            raise InputError(f"--workdir={workdir} has no checkpoints yet; train into it first.")
        step = store.best_step() if which == "best" else int(which) if which.isdigit() else None
        if step not in steps:
            have = ", ".join(map(str, ["newest", *steps]))
            why = ", which was trained without --keep_best" if which == "best" and not best else ""
            raise InputError(f"--checkpoint={which} is not in {workdir}{why}; use one of: {have}.")
        try:
            return step, store.load(step, state)[0]
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"Checkpoint {step} of {workdir} is damaged ({_first_line(error)}); use "
                "--checkpoint=newest, which finds an intact one."
            ) from error


def _first_line(error):
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
