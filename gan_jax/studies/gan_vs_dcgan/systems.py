"""S2's two systems: settings, lengths, and where S2 shows their samples."""

import dataclasses
from typing import NamedTuple

from gan_jax.commands import presets, train
from gan_jax.config import Config
from gan_jax.studies.gan_vs_dcgan.flags import S2_STEPS, Flags


class System(NamedTuple):
    """One of S2's systems."""

    title: str
    experiment: str  # key of presets.TABLE
    dispatch: int  # steps in one compiled call; 0: as suits the machine
    n_records: int  # how often in a run losses and samples are written
    shown_at: float  # fraction of the run after which S2 shows its samples
    shown_at_words: str  # what S2 calls that


SYSTEMS = {
    "gan": System("GAN", "gan", 20, 150, 29_800 / 30_000, "iteration 29,800 of 30,000"),
    "dcgan": System("DCGAN", "dcgan", 0, 60, 54 / 60, "epoch 54 of 60"),
}


def record_interval(name: str, steps: int) -> int:
    """Return the steps between records of a run, in whole compiled calls where there is room."""
    system = SYSTEMS[name]
    interval = max(1, round(steps / system.n_records))
    if 0 < system.dispatch < interval:
        interval -= interval % system.dispatch
    return interval


def build_config(flags: Flags, name: str, steps: int, seed: int) -> Config:
    """Build the configuration of one run of a system."""
    system = SYSTEMS[name]
    _, run, hp = train.settings_groups(system.experiment)
    hp = dataclasses.replace(hp, width=getattr(flags, f"{name}_width"), lr=flags.lr, ema=0.0)
    if name == "dcgan":
        hp = dataclasses.replace(hp, net=flags.dcgan_net)
    interval = record_interval(name, steps)
    eval_every = interval * max(1, steps // interval // flags.evals)
    run = dataclasses.replace(
        flags.replaced(run),
        data=flags.data,
        size=flags.size,
        batch=getattr(flags, f"{name}_batch"),
        steps=steps,
        seed=seed,
        log_every=interval,
        sample_every=interval,
        save_every=eval_every,
        eval_every=eval_every,
        eval_images=flags.eval_images,
        devices=flags.devices,
        steps_per_dispatch=system.dispatch,
    )
    return Config(system.experiment, presets.TABLE[system.experiment].method, run, hp)


def lengths(flags: Flags) -> dict[str, int]:
    """Return the steps of each system that the flags ask for."""
    return {name: getattr(flags, f"{name}_steps") for name in SYSTEMS}


def lengths_in_words(steps: dict[str, int]) -> str:
    """Compare lengths {system: steps} with S2's in words."""
    fractions = [n / S2_STEPS[name] for name, n in steps.items()]
    if max(fractions) > 1.02 * min(fractions):
        return "the given lengths"
    if fractions[0] == fractions[1] == 1:
        return "S2's lengths"
    return f"{100 * fractions[0]:.2g} % of S2's lengths"


def shown_step(name: str, steps: int) -> int:
    """Return the step of the sample grid nearest to where S2 shows the system."""
    interval = record_interval(name, steps)
    nearest = max(1, round(SYSTEMS[name].shown_at * steps / interval))
    return min(steps, interval * nearest)
