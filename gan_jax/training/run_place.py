"""The run folder while a run trains in it: in its place, nothing later than its step, its page."""

import contextlib
import pathlib
from collections.abc import Iterator

from gan_jax import cache
from gan_jax.errors import Stopped


def remove_later_files(workdir: pathlib.Path, step: int) -> None:
    """Remove samples of steps after `step`, and what a kill left half-written."""
    samples = workdir / "samples"
    for folder in (workdir, samples):
        cache.remove_abandoned(folder)
    for path in samples.iterdir():
        if path.stem.isdigit() and int(path.stem) > step:
            path.unlink()


def write_page(workdir: pathlib.Path, film: bool = False) -> None:
    """Write the page of a run; with `film`, also its samples in order as density.webp."""
    from gan_jax.report import point_plots, run_page  # matplotlib: not at the start of a run

    if film:
        frames = [path for path in (workdir / "samples").glob("*.png") if path.stem.isdigit()]
        frames.sort(key=lambda path: int(path.stem))
        point_plots.animate(frames, workdir / "density.webp")
    run_page.write(workdir)


@contextlib.contextmanager
def required(workdir: pathlib.Path, stopped: str) -> Iterator[None]:
    """Raise Stopped if the run folder is no longer there, before or because of what is within.

    Orbax would make it again, and the run would fall into two halves.

    Args:
      workdir: the run folder.
      stopped: beginning of the message.
    """
    _require(workdir, stopped)
    try:
        yield
    except Exception:
        _require(workdir, stopped)
        raise


def _require(workdir, stopped):
    if not (workdir / "metrics.jsonl").exists():
        raise Stopped(
            f"{stopped}: {workdir} was moved or removed while this run trained, with all that was "
            "saved. If it was moved, the same command with its new place as --workdir resumes."
        )
