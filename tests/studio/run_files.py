"""What run folders hold, made without training."""

import json

CONFIG = {
    "experiment": "gan", "method": "gan", "run": {"steps": 1000, "seed": 3}, "hp": {"ema": 0.9},
    "dataset": {"name": "galaxies:256", "size": 16, "digest": "0", "n": 256, "colors": 3, "classes": []},
}  # fmt: skip


def record(step, **more):
    """A line of metrics.jsonl as training writes it, 400 bytes or so; more: what else it holds."""
    values = {name: 0.5 + step / 1e6 for name in ("disc/loss", "gen/loss", "disc/real_prob", "disc/fake_prob", "disc/penalty",
              "disc/grad_norm", "gen/grad_norm", "watch/diversity", "watch/gap")}  # fmt: skip
    return (
        json.dumps(
            {
                "step": step,
                **values,
                **more,
                "wall": {"time": step / 10, "steps_per_s": 10.0, "images_per_s": 640.0},
            }
        )
        + "\n"
    )
