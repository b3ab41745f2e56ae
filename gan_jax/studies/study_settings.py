"""A study's folder holds the settings that it began with, so that a study which goes on is the same one."""

import json

from gan_jax import cache, config
from gan_jax.errors import InputError


def keep(root, runs, flags=None):
    """Writes study.json into a new study's folder; compares it with that of one that goes on.

    Args:
      root: pathlib.Path of the study. runs: {name: config.Prepared} of its kinds of runs, without what differs between runs.
      flags: {flag: value} of further settings that numbers depend on.

    Raises:
      InputError: the folder holds a study with other settings, or its description cannot be read.
    """
    flags, path = flags or {}, root / "study.json"
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        described = {
            "configs": {
                name: {**one.config.to_dict(), "source": one.dataset_info}
                for name, one in runs.items()
            },
            "flags": flags,
        }
        cache.write_atomic(path, json.dumps(described, indent=1) + "\n")
        return
    try:
        stored = json.loads(path.read_text())
        changed = [
            f"--{k}={stored['flags'][k]}, now {v}"
            for k, v in flags.items()
            if stored["flags"][k] != v
        ]
        known = {} if changed else runs  # other flags may mean other kinds of runs
        changed += [
            d for name, one in known.items() for d in _differences(stored["configs"][name], one)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); it was written by another version or damaged."
        ) from error
    if changed:
        raise InputError(
            f"The study in {root} was made with {changed[0]}; use another --workdir, or delete that folder."
        )


def _differences(stored, prepared):
    """What differs between a run that study.json describes and one that is prepared now."""
    changed = config.differences(config.from_dict(stored), prepared.config)
    if any(d.startswith(("--data", "--size", "--crop", "--labels")) for d in changed):
        return changed
    return changed + config.data_difference(stored["source"], prepared.dataset_info)
