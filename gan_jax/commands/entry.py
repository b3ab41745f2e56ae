"""The commands by name, and the one way into each of them."""

import importlib
import sys

from gan_jax.commands import presets, process
from gan_jax.errors import EXIT_STOPPED
from gan_jax.training import peers

# Commands that train are in presets.TABLE. These have a module with `run(argv)` and a docstring for
# --help.
MODULES = {
    "evaluate": "gan_jax.commands.evaluate",
    "compare": "gan_jax.commands.compare",
    "sample": "gan_jax.commands.sample",
    "inspect": "gan_jax.commands.inspect",
    "export": "gan_jax.commands.export",
    "publish": "gan_jax.commands.publish",
    "cluster": "gan_jax.commands.cluster",
    "studio": "gan_jax.commands.studio",
    "flagfiles": "gan_jax.commands.flagfile_list",
    "doctor": "gan_jax.commands.doctor",
    "completion": "gan_jax.commands.completion",
    "ablate": "gan_jax.studies.ablate.command",
    "augment": "gan_jax.studies.augment.command",
    "collapse": "gan_jax.studies.collapse.command",
    "ensemble": "gan_jax.studies.ensemble.command",
    "few_images": "gan_jax.studies.few_images.command",
    "gan_vs_dcgan": "gan_jax.studies.gan_vs_dcgan.command",
    "stacked_mnist": "gan_jax.studies.collapse.stacked_mnist",
    "toys": "gan_jax.studies.toys",
    "two_models": "gan_jax.studies.two_models.command",
    "curves": "gan_jax.studies.curves.command",
    "damage": "gan_jax.studies.damage",
}
ALIASES = {"sweep": "ablate"}  # other words for commands
WITHOUT_JAX = ("studio", "cluster")  # whose work is done by other processes


def names():
    """Return the names of all commands, those that train first."""
    return [*presets.TABLE, *MODULES]


def doc(name):
    """Return what `--help` of a command says first."""
    if name in presets.TABLE:
        return presets.TABLE[name].doc
    return importlib.import_module(MODULES[name]).__doc__


def summary(name):
    """Return the first line of what `--help` of a command says."""
    return (doc(name) or "").strip().splitlines()[0]


def run(name, argv):
    """Run a command in this process.

    Args:
      name: one of `names()`, or a method by a plug-in.
      argv: its words.

    Raises:
      InputError, NonFiniteError, Collapsed, Stopped: what process.guarded turns into one line.
    """
    if name in MODULES:
        importlib.import_module(MODULES[name]).run(argv)
        return
    from gan_jax.commands import train

    train.run(name, argv)


def main(name):
    """Run a command with the words of this process's command line, and exit with its code."""
    process.outlive_readers()
    needs_jax = name not in WITHOUT_JAX
    code = process.guarded(lambda argv: run(name, argv), sys.argv[1:], needs_jax)
    if code == EXIT_STOPPED or peers.current().n > 1:
        # Python's own way out crashes while threads of XLA still compile, and waits for processes
        # that are lost.
        process.exit_at_once(code)
    sys.exit(code)
