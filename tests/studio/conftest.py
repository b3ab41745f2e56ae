"""Run folders as training leaves them."""

import json
import shutil

import pytest

from tests.studio.run_files import CONFIG, record


@pytest.fixture
def make_run():
    """make_run(folder, records=5, **files): a run folder; files: {name with _ for dots: content}, None to leave one out."""

    def make(folder, records=5, **files):
        (folder / "samples").mkdir(parents=True)
        (folder / "samples" / "000010.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (folder / "metrics.jsonl").write_text(
            "".join(record(10 * i) for i in range(1, records + 1))
        )
        for name, content in files.items():
            path = folder / name.replace("_", ".")
            if content is None:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content))
        return folder

    return make
