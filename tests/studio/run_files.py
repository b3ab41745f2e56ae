"""Contents of run folders, made without training."""

import json

CONFIG = {
    "experiment": "gan",
    "method": "gan",
    "run": {"steps": 1000, "seed": 3},
    "hp": {"ema": 0.9, "loss": "ns"},
    "dataset": {
        "name": "galaxies:256",
        "size": 16,
        "digest": "0",
        "n": 256,
        "colors": 3,
        "classes": [],
    },
}
VALUES = (
    "disc/loss",
    "gen/loss",
    "disc/real_prob",
    "disc/fake_prob",
    "disc/penalty",
    "disc/grad_norm",
    "gen/grad_norm",
    "watch/diversity",
    "watch/gap",
)


def record(step, **more):
    """Return a line of metrics.jsonl of about 400 bytes, with more keys."""
    values = {name: 0.5 + step / 1e6 for name in VALUES}
    wall = {"time": step / 10, "steps_per_s": 10.0, "images_per_s": 640.0}
    return json.dumps({"step": step, **values, **more, "wall": wall}) + "\n"
