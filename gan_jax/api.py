"""The Python interface: `train` and `load`, and the `Run` that both return.

It calls what the command line calls: equal settings give equal bytes.

  import gan_jax as gj

  run = gj.train("dcgan", data=images, size=32, steps=500, workdir="runs/nb")
  run.sample(64)
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gan_jax import images, plugins, settings
from gan_jax.commands import arguments, command_line, evaluate, kinds, presets, process, sample
from gan_jax.commands import train as training
from gan_jax.errors import InputError
from gan_jax.training.timing import Startup

if TYPE_CHECKING:
    import jax
    import pandas

    from gan_jax.rundir.run_folder import LoadedRun


class Metrics(dict[str, np.ndarray]):
    """{name: float64 [records]} of metrics.jsonl; NaN where a record lacks the value."""

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a DataFrame with a row for each record, indexed by the step.

        Raises:
          InputError: pandas is not installed.
        """
        if not command_line.installed("pandas"):
            raise InputError("to_pandas() needs pandas; install it with: pip install pandas.")
        import pandas

        return pandas.DataFrame(dict(self)).set_index("step")


class Evaluation(dict[str, Any]):
    """The record in eval.json; its text is the table that `evaluate` prints."""

    def __str__(self) -> str:
        from gan_jax.report import score_tables

        return score_tables.format_evaluation(dict(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


class Run:
    """A trained run at one of its checkpoints, or one in training.

    Notebooks show its newest samples and scores.

    Attributes:
      workdir: path of the run folder, or of a published one.
      ema: whether the averaged generator is sampled.
    """

    def __init__(
        self,
        workdir: str | os.PathLike,
        checkpoint: str | int = "newest",
        ema: bool = True,
        trust: bool = False,
        download: bool = False,
    ):
        """Use `load`."""
        self.workdir = pathlib.Path(workdir).expanduser()
        self.ema = ema
        self._checkpoint, self._trust, self._download = str(checkpoint), trust, download

    def _trusting(self):
        """Trust what the folder names, if the user does."""
        return plugins.trusting([plugins.ANY] if self._trust else [])

    @functools.cached_property
    def loaded(self) -> "LoadedRun":
        """The configuration, the method and the state of the checkpoint, read on first use."""
        process.prepare_jax()
        from gan_jax.rundir import run_folder

        with arguments.refusals(), self._trusting():
            return run_folder.load(str(self.workdir), self._checkpoint, self._download)

    @property
    def step(self) -> int:
        """Step of the checkpoint."""
        return self.loaded.step

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the classes, generators or codes that `kind` can name; () without any."""
        return self.loaded.method.conditioning.names

    def sample(
        self, n: int = 64, *, seed: int = 0, kind: str | int = "", truncation: float = 0.0
    ) -> np.ndarray:
        """Sample images, the same as `gan-jax sample --form=npz` writes.

        Args:
          n: number of images.
          seed: seed of the noise.
          kind: class, generator or code: a name, several with commas, which take turns, or a
            number from 0 on; values of quantities as text, "0.2,0.5". Empty: drawn as often as in
            the data.
          truncation: keep the noise within so many of its standard deviations; 0: all of it.

        Returns:
          uint8 [n, H, W, C]; of points float32 [n, 1, 1, D].

        Raises:
          InputError: the run has no such kind, or a value is out of bounds.
        """
        flags = sample.Flags(workdir=str(self.workdir), form="npz", ema=self.ema)
        given = {"n": n, "seed": seed, "truncation": truncation}
        with arguments.refusals():
            given["kind"] = kinds.as_text(self.loaded.method.conditioning, kind)
            flags = arguments.replace(flags, given)
            settings.check(flags)
            return sample.make_samples(flags, self.loaded)[0]

    def noise(self, n: int, seed: int = 0) -> np.ndarray:
        """Draw the noise of `sample(n, seed=seed)`: float32 [n, z_dim].

        Raises:
          InputError: a value is out of bounds.
        """
        import jax

        from gan_jax.training import sampling

        with arguments.refusals():
            settings.check(arguments.replace(sample.Flags("run"), {"n": n, "seed": seed}))
        return sampling.drawn_noise(self.loaded.method, jax.random.key(seed), n)

    def generator(self, z: "jax.Array", kind: "jax.Array | str | int | None" = None) -> "jax.Array":
        """Generate images from noise: a pure function, for jit, grad and vmap.

        Args:
          z: noise float [B, z_dim], or [z_dim] for a single image, such as `noise` draws.
          kind: where the run has kinds: a name, a number, or int [B]; of quantities a number,
            float [B], or float [B, A].

        Returns:
          float32 [B, H, W, C], or [H, W, C], in [0, 1]; of points as the data have them.

        Raises:
          InputError: z has another length; the kind is missing, or means nothing; the generator
            takes images.
        """
        import jax.numpy as jnp

        method = self.loaded.method
        z = jnp.asarray(z, jnp.float32)
        single, length = z.ndim == 1, self._frozen[3]
        if z.ndim not in (1, 2) or z.shape[-1] != length:
            raise InputError(
                f"z has the shape {list(z.shape)}; give [B, {length}] or [{length}], such as "
                "run.noise(8)."
            )
        z = z[None] if single else z
        with arguments.refusals():
            condition = kinds.to_condition(self.loaded.method.conditioning, kind, len(z))
        ctx, key, vs, _ = self._frozen
        x = method.sample(ctx, vs, z, condition, key)
        pixels = method.hp.pixels
        if self.loaded.dataset_info["size"] == 1:
            x = images.from_net(x, pixels, points=True)
        elif pixels == "tanh":
            x = (x + 1) / 2
        return x[0] if single else x

    @functools.cached_property
    def _frozen(self):
        """What the generator reads besides its input: (StepContext, key, Vars, length of z)."""
        import jax

        from gan_jax.core.method import make_context

        # Also where the first call is traced, and cached for those that are not.
        with jax.ensure_compile_time_eval():
            vs = jax.device_put(self.loaded.state.vars(self.ema))
            ctx, key = make_context(self.loaded.method), jax.random.key(0)
            z, _ = jax.eval_shape(lambda key: self.loaded.method.latent(ctx, key, 2), key)
            return ctx, key, vs, z.shape[1]

    @property
    def metrics(self) -> Metrics:
        """What metrics.jsonl holds now, as columns."""
        from gan_jax.rundir import log

        rows = log.read(self.workdir / "metrics.jsonl")
        for row in rows:
            row |= {f"wall/{key}": value for key, value in row.pop("wall", {}).items()}
        names = dict.fromkeys(
            key for row in rows for key, value in row.items() if isinstance(value, (int, float))
        )
        columns = {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}
        return Metrics(columns)

    def evaluate(self, n_images: int = 10_000, **flags: Any) -> Evaluation:
        """Score the run; write eval.json, pictures and report.html into its folder.

        Args:
          n_images: generated images per repeat.
          **flags: others of `gan-jax evaluate --help`, such as scores="frechet", repeats=3.

        Returns:
          the record in eval.json.

        Raises:
          InputError: a flag is unknown or out of bounds, or the data are gone.
        """
        process.prepare_jax()
        with arguments.refusals(), self._trusting():
            if "data" in flags:
                flags["data"] = arguments.data_spec(flags["data"], None, None, None)
            plugins.trust(value for value in flags.values() if isinstance(value, str))
            given = {"n_images": n_images, "checkpoint": self._checkpoint, "ema": self.ema} | flags
            values = arguments.replace(evaluate.Flags(workdir=str(self.workdir)), given)
            settings.check(values)
            return Evaluation(evaluate.evaluate_to_files(values)[0])

    def report(self) -> pathlib.Path:
        """Write report.html of what the run folder holds now, and return its path.

        Raises:
          InputError: it is no run folder; a published one has its README.md.
        """
        from gan_jax.report import run_page
        from gan_jax.rundir import published

        with arguments.refusals():
            if published.is_published(self.workdir):
                raise InputError(f"{self.workdir} is published; its report is README.md.")
            return run_page.write(self.workdir)

    def __repr__(self) -> str:
        return f"gan_jax.load({str(self.workdir)!r})"

    def _repr_html_(self) -> str:
        from gan_jax.report import notebook_html

        return notebook_html.run_html(self.workdir)


def train(
    method: Any = "dcgan",
    data: Any = None,
    labels: Any = None,
    *,
    test: Any = None,
    classes: Sequence[str] | None = None,
    workdir: str | os.PathLike = "",
    flagfile: str = "",
    restart: bool = False,
    trust: bool = False,
    **values: Any,
) -> Run:
    """Train a run to its end, from wherever its folder stands.

    Args:
      method: a training command, such as "morpho"; or a method of your own, a module or class, see
        docs/write-your-own.md.
      data: images, uint8 [N, H, W] or [N, H, W, C], resized to `size`; a path of a folder or an
        npz file; a --data spec, such as "folder:my_images"; or a function that loads data.
        None: the command's own default.
      labels: with an array as data: integers [N] or class names [N].
      test: with an array as data: held-out images, or (images, labels).
      classes: with an array as data: names of the classes, in the order of the integers.
      workdir: the run folder; "": runs/ and the name of the flagfile or of the command.
      flagfile: settings to begin with, by name or path, such as "morpho_quick".
      restart: discard what the run folder holds and begin again.
      trust: import the Python code from outside of gan_jax that the flagfile names.
      **values: settings by the names of their flags, see `gan-jax train NAME --help`, such as
        size=32, steps=500, loss="hinge". A loss, penalty or net may be an object of your own.

    Returns:
      Run, at its newest checkpoint.

    Raises:
      InputError: a setting, the data or the folder cannot be used; before anything is compiled.
      Stopped: interrupted; saved, and the same call goes on.
      NonFiniteError, Collapsed: see errors.
    """
    process.prepare_jax()
    startup = Startup()
    with arguments.refusals(), plugins.trusting([plugins.ANY] if trust else []):
        name = method if isinstance(method, str) else plugins.name_of(method)
        if not presets.is_training(name):
            raise InputError(
                f"method={name!r} is not known; use one of: {', '.join(presets.TABLE)}."
            )
        spec = arguments.data_spec(data, labels, test, classes)
        if spec:
            values["data"] = spec
        typed = {key: arguments.plain_value(value) for key, value in values.items()}
        named = {value for value in typed.values() if isinstance(value, str)} | {name}
        plugins.trust(value for value in named if plugins.PREFIX in value)
        words = [f"--flagfile={flagfile}"] if flagfile else []
        groups, parsed = command_line.parse(
            "", f"train {name}", training.settings_groups(name), words
        )
        command, run, hp = arguments.distribute(groups, typed)
        command = dataclasses.replace(command, workdir=str(workdir), restart=restart)
        folder = command_line.workdir_of(str(workdir), parsed, name)
        config = training.make_config(name, run, hp)
        startup.done("import")
        flags = command_line.define([command, run, hp])
        training.execute(command, folder, config, flags, startup)
    return Run(folder)


def load(
    workdir: str | os.PathLike,
    checkpoint: str | int = "newest",
    *,
    ema: bool = True,
    trust: bool = False,
    download: bool = False,
    objects: Sequence[Any] = (),
) -> Run:
    """Load a run.

    Args:
      workdir: a run folder, a published folder, or hf:USER/NAME of a model on the hub.
      checkpoint: "newest", "best" or a step.
      ema: sample the averaged generator.
      trust: import the Python code from outside of gan_jax that the folder names.
      download: fetch hf:USER/NAME if it is not in the local cache.
      objects: methods, losses and so on that the run was trained with, if they were defined in a
        notebook or a script, and so cannot be imported.

    Returns:
      Run.

    Raises:
      InputError: no run, no such checkpoint, a damaged one, or code that is not trusted.
    """
    with arguments.refusals():
        for part in objects:
            plugins.name_of(part)
        run = Run(workdir, checkpoint, ema, trust, download)
        _ = run.loaded
    return run
