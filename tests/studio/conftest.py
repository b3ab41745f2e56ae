"""Run folders as training leaves them, made without training; and the application over them."""

import json
import shutil

import pytest

CONFIG = {
    "experiment": "gan", "method": "gan", "run": {"steps": 1000, "seed": 3}, "hp": {"ema": 0.9},
    "source": {"name": "galaxies:256", "size": 16, "digest": "0", "n": 256, "colors": 3, "classes": []},
}  # fmt: skip


def record(step):
    """A line of metrics.jsonl as training writes it, 400 bytes or so."""
    values = {name: 0.5 + step / 1e6 for name in ("disc/loss", "gen/loss", "disc/real_prob", "disc/fake_prob", "disc/penalty",
              "disc/grad_norm", "gen/grad_norm", "watch/diversity", "watch/gap")}  # fmt: skip
    return json.dumps({"step": step, **values, "wall": {"time": step / 10, "steps_per_s": 10.0, "images_per_s": 640.0}}) + "\n"


@pytest.fixture
def make_run():
    """make_run(folder, records=5, **files): a run folder; files: {name with _ for dots: content}, None to leave one out."""

    def make(folder, records=5, **files):
        (folder / "samples").mkdir(parents=True)
        (folder / "samples" / "000010.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (folder / "metrics.jsonl").write_text("".join(record(10 * i) for i in range(1, records + 1)))
        for name, content in files.items():
            path = folder / name.replace("_", ".")
            if content is None:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content))
        return folder

    return make
