"""Several runs beside each other: python -m experiments.compare DIR DIR ... [--out=DIR]

Runs that differ in their seed alone are taken together. Prints one table and writes compare.html and compare.json: samples side
by side, curves over each other with the spread over seeds, every score with its interval, floor and controls, and for each
pair whether the difference is real. Runs are scored by experiments.evaluate before; scores that were measured in different ways
(other counts, data, feature net, ...) are refused.
"""

import dataclasses
import json
import pathlib
import sys

from experiments import common
from gan_jax.errors import InputError
from gan_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings(common.Command):
    """Flags of this command."""

    out: str = setting("runs/compare", "folder for compare.html and compare.json")


def run(argv):
    """Command line to compare.html."""
    from gan_jax import cache, compare, compare_page

    folders = [word for word in argv if not word.startswith("-")]
    (flags,), _ = common.parse(__doc__, "experiments.compare", [Settings()], [w for w in argv if w.startswith("-")])
    if len(folders) < 2:
        raise InputError("Name two or more run folders: python -m experiments.compare runs/a runs/b")
    systems = compare.group([compare.read(folder) for folder in folders])
    compare.require_one_protocol(systems)
    out = pathlib.Path(flags.out).expanduser()
    unscored = [str(m.folder) for system in systems for m in system.members if not m.record]
    for folder in unscored:
        print(f"{folder} has no scores yet; python -m experiments.evaluate --workdir={folder} adds them.", file=sys.stderr)
    keys = compare.common(systems) if len(unscored) < len(folders) else []
    if keys:
        print(compare.text(systems))
    found = {
        key: {s.name: compare.values(s, key).tolist() for s in systems} | {"verdicts": compare.verdicts(systems, key)}
        for key in keys
    }
    runs = {system.name: [str(m.folder) for m in system.members] for system in systems}
    out.mkdir(parents=True, exist_ok=True)
    cache.write_atomic(out / "compare.json", json.dumps({"runs": runs, "scores": found}, indent=1, allow_nan=False) + "\n")
    cache.write_atomic(out / "compare.html", compare_page.document(systems, keys))
    print(f"Page: {out / 'compare.html'}")


if __name__ == "__main__":
    sys.exit(common.guarded(run, sys.argv[1:]))
