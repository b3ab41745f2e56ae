"""Mirror of a run's records and sample grids at Weights & Biases.

The package wandb is an extra. Its own settings hold: WANDB_MODE=offline for no network,
WANDB_PROJECT and WANDB_ENTITY for the place, `wandb login` for who writes.
"""

import os
import pathlib
import queue
import secrets
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gan_jax import cache
from gan_jax.rundir import config_file

FOLDER = "wandb"  # in the run folder; wandb itself gives its folder this name
ID_FILE = "id.txt"  # in FOLDER: the id of the W&B run, which a resumed run goes on with
START_SECONDS = 30  # that the start of a W&B run may take
END_SECONDS = 60  # that the last upload may take
STUCK_SECONDS = 70  # after which an end that ignores END_SECONDS is no longer waited for
MAX_WAITING = 1000  # records and grids that wait for a slow service


class WandbWriter:
    """Writes what a run logs to Weights & Biases, in a thread of its own.

    Training never waits for it, but at its end. The first failure is said in a line, and ends the
    mirror until the next start of the run.
    """

    def __init__(self, workdir: pathlib.Path, say: Callable[[str], None]):
        """Begin a W&B run, or go on with that of the run folder.

        Args:
          workdir: the run folder.
          say: prints a line.
        """
        self._say, self._lost = say, 0
        self._waiting: queue.Queue[tuple[int, dict[str, Any]] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._work, args=(workdir,), daemon=True)
        self._thread.start()

    def write(self, record: dict[str, Any]) -> None:
        """Write the numbers of a record, those of "wall" as wall/NAME.

        W&B ignores the records that a resumed run makes again.
        """
        values = {name: value for name, value in record.items() if name not in ("step", "wall")}
        values |= {f"wall/{name}": value for name, value in record.get("wall", {}).items()}
        numbers = {n: v for n, v in values.items() if isinstance(v, (int, float))}
        self._put((record["step"], numbers))

    def write_picture(self, step: int, picture: np.ndarray) -> None:
        """Write a sample grid, uint8 [H, W, 1 or 3]."""
        self._put((step, {"samples": picture[..., 0] if picture.shape[-1] == 1 else picture}))

    def close(self) -> None:
        """End the W&B run; wait for its last upload, but not for ever."""
        self._put(None)
        self._thread.join(STUCK_SECONDS)
        if self._thread.is_alive() or self._lost:
            lost = f", and lacks {self._lost} records or grids" if self._lost else ""
            self._say(
                f"Weights & Biases does not keep up{lost}; `wandb sync` uploads what is on disk."
            )

    def _put(self, item):
        try:
            if self._thread.is_alive():
                self._waiting.put_nowait(item)
        except queue.Full:
            self._lost += item is not None

    def _work(self, workdir):
        """Send what was put, up to None."""
        try:
            run, image = _open_run(workdir)
            while (item := self._waiting.get()) is not None:
                step, values = item
                arrays = {n: image(v) for n, v in values.items() if isinstance(v, np.ndarray)}
                run.log(values | arrays, step=step)
            run.finish()
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._say(
                f"Weights & Biases failed ({lines[0][:200]}). The run goes on without it; "
                "metrics.jsonl has it all."
            )


def _open_run(workdir):
    """Return (W&B run of a run folder, class of its images)."""
    import wandb

    path = workdir / FOLDER / ID_FILE
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        cache.write_atomic(path, secrets.token_hex(4) + "\n")
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "gan_jax"),
        name=workdir.resolve().name,
        id=path.read_text().strip(),
        resume="allow",
        dir=str(workdir),
        config=config_file.read(workdir),
        reinit="create_new",  # several runs may train in one process
        settings=wandb.Settings(
            console="off", init_timeout=START_SECONDS, finish_timeout=END_SECONDS
        ),
    )
    return run, wandb.Image
