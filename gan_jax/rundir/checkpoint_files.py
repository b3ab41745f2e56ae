"""The files of one checkpoint, which orbax writes and reads.

Import this module where something is saved or loaded: orbax takes a tenth of the time of a start.
"""

import contextlib
import logging
import pathlib
import sys
import threading
import time

import jax
import orbax.checkpoint as ocp

# Orbax mixes up saves that several threads of a process make at the same time.
_LOCK = threading.Lock()


def save(folder: pathlib.Path, state, tally, meta: dict) -> None:
    """Write a checkpoint, which appears whole or not at all.

    Args:
      folder: absolute path of what is made.
      state, tally: trees of numpy arrays.
      meta: description of both, for JSON.

    Raises:
      Exception: whatever orbax and tensorstore raise; a full disk has no type of its own.
    """
    items = {
        "state": ocp.args.StandardSave(state),
        "tally": ocp.args.StandardSave(tally),
        "meta": ocp.args.JsonSave(meta),
    }
    with _checkpointer() as checkpointer, _ignore_late_writes():
        checkpointer.save(folder, ocp.args.Composite(**items))


def load_meta(folder: pathlib.Path) -> dict:
    """Read the description that a checkpoint was saved with. Raises what orbax raises."""
    return _load(folder, meta=ocp.args.JsonRestore())["meta"]


def load(folder: pathlib.Path, trees: dict) -> dict:
    """Read trees of a checkpoint. Raises what orbax raises.

    Args:
      folder: absolute path of the checkpoint.
      trees: {"state" or "tally": tree of numpy arrays of the expected shapes and dtypes}.

    Returns:
      {name: tree of numpy arrays}.
    """
    items = {name: ocp.args.StandardRestore(tree) for name, tree in trees.items()}
    return _load(folder, **items)


def _load(folder, **items):
    with _checkpointer() as checkpointer:
        return checkpointer.restore(folder, ocp.args.Composite(**items))


@contextlib.contextmanager
def _checkpointer():
    """Use orbax alone among the threads, and silence its log: it narrates every save.

    Its errors are raised, too.
    """
    logger = logging.getLogger("absl")
    with _LOCK:
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            with _alone() as checkpointer:
                yield checkpointer
        finally:
            logger.setLevel(level)


def _alone():
    """Make a checkpointer that waits for no other process of a run of several."""
    own = jax.process_index()
    options = ocp.options.MultiprocessingOptions(own, {own}, f"process {own}")
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=options)
    )
    return ocp.Checkpointer(handler, multiprocessing_options=options)


@contextlib.contextmanager
def _ignore_late_writes():
    """Silence the writes that end after another write of the same save has failed.

    Each of them makes its folder again, and then reports to an event loop that orbax has closed.
    Python prints that on stderr for every one. They get a moment to end.
    """
    shown_by = sys.unraisablehook
    sys.unraisablehook = lambda what: (
        None if "Event loop is closed" in str(what.exc_value) else shown_by(what)
    )
    try:
        yield
    except Exception:
        time.sleep(0.5)
        raise
    finally:
        sys.unraisablehook = shown_by
