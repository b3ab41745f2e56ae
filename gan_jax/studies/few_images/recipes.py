"""The recipes of the study of few images: what a user types to train each of them."""

import dataclasses
from typing import NamedTuple

import jax

from gan_jax import config as configs
from gan_jax.commands import train
from gan_jax.config import Config
from gan_jax.settings import RunSettings
from gan_jax.studies.few_images.flags import Flags


class Recipe(NamedTuple):
    """One recipe."""

    title: str  # its name in tables
    command: str  # the training command, key of presets.TABLE
    words: tuple[str, ...] = ()  # flags after the flagfile of the command
    finetunes: bool = False  # begins with the weights of another run
    freeze_disc: int = 0  # where it does, see settings.RunSettings


# The plain loss on Morpho-GAN's nets, and whatever belongs to these nets.
_PLAIN = ("--net=hdcgan", "--input_noise=0.05", "--init=xavier", "--pixels=sigmoid")
# Galaxies have no up and no handedness, so turned and mirrored ones are galaxies, too.
_TURNS = ("--augment=flip,rotation",)
# D that sees turned images alone does not see that generated ones lie one way; then G turns them.
_SYMMETRIC = (*_TURNS, "--augment_p=0.5", "--gen_symmetry=turn")
_AUGMENT = ("--augment=flip,rotation,translation,cutout",)

# ADA. The default of --augment_images is for long runs; a quick one shows D about 20,000 images.
_ADA = (
    "--augment=flip:always,rotation:always,ada_geometry",
    "--augment_target=0.6",
    "--augment_images=20000",
)

# To add a recipe, add an entry. Every command in it needs the flagfiles COMMAND_smoke,
# COMMAND_quick and COMMAND_64, which --settings chooses from.
RECIPES = {
    "dcgan": Recipe("DCGAN", "dcgan"),
    # Without augmentation as in its paper, and with rates like those of the other recipes.
    "morpho": Recipe("Morpho-GAN", "morpho", ("--augment=", "--schedule=constant")),
    "plain": Recipe("plain loss", "dcgan", _PLAIN),
    "plain_turns": Recipe("plain + turns and flips", "dcgan", _PLAIN + _TURNS),
    "symmetric": Recipe("plain + turns of D and G", "dcgan", _PLAIN + _SYMMETRIC),
    "plain_augment": Recipe("plain + DiffAugment", "dcgan", _PLAIN + _AUGMENT),
    "plain_ada": Recipe("plain + ADA", "dcgan", _PLAIN + _ADA),
    "lecam": Recipe("turns and flips + LeCam", "dcgan", (*_PLAIN, *_TURNS, "--lecam=0.3")),
    "r3gan": Recipe("R3GAN", "r3gan"),
    "r3gan_ada": Recipe("R3GAN + ADA's pipe", "r3gan", _ADA[:1]),
    "finetune": Recipe("fine-tuned", "dcgan", _PLAIN + _TURNS, finetunes=True),
    "finetune_freeze": Recipe(
        "fine-tuned + FreezeD", "dcgan", _PLAIN + _TURNS, finetunes=True, freeze_disc=2
    ),
}


def typed_words(name: str, settings: str) -> list[str]:
    """List the words that a user types after the training command: a flagfile, and flags.

    Args:
      name: key of RECIPES.
      settings: what the name of the flagfile ends in, such as "quick".
    """
    recipe = RECIPES[name]
    return [f"--flagfile={recipe.command}_{settings}", *recipe.words]


def build_config(
    name: str, flags: Flags, data: str, steps: int, seed: int, init_from: str = ""
) -> Config:
    """Build the configuration of one run.

    Args:
      name: key of RECIPES.
      flags: of the study.
      data: spec of the training images.
      steps: its length.
      seed: its seed.
      init_from: folder of the run whose weights it begins with; "" for none.

    Raises:
      InputError: there is no such flagfile, or settings contradict each other or the machine.
    """
    words = [f"--devices={flags.devices}", f"--size={flags.size}"]
    command = RECIPES[name].command
    typed = [*typed_words(name, flags.settings), *words]
    _, _, config, _ = train.configure(command, typed)
    run = dataclasses.replace(
        flags.replaced(config.run),
        data=data,
        steps=steps,
        seed=seed,
        init_from=init_from,
        freeze_disc=RECIPES[name].freeze_disc if init_from else 0,
        log_every=max(1, min(config.run.log_every, steps)),
        save_every=max(1, steps // 4),
        sample_every=0,
        **{key: getattr(RunSettings(), key) for key in ("eval_every", "keep_best")},
    )
    hp = _warmed_up(config.hp, config.run.steps, steps)
    configs.validate_settings(run, hp, len(jax.devices()))
    return dataclasses.replace(config, run=run, hp=hp)


def _warmed_up(hp, before, steps):
    """Let the warm-up of a recipe take the share of the run that it has in its flagfile.

    Args:
      hp: the method's Settings.
      before: steps of the flagfile.
      steps: steps of the run.
    """
    n = getattr(hp, "warmup_images", 0)
    return dataclasses.replace(hp, warmup_images=max(1, n * steps // before)) if n else hp
