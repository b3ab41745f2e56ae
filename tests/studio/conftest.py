"""Fixtures: run folders as training writes them, and a client of the studio."""

import json
import shutil

import pytest

from gan_jax.commands import process
from tests.studio.run_files import CONFIG, record


@pytest.fixture
def make_run():
    """make_run(folder, records=5, **files): write a run folder and return it.

    records: lines of metrics.jsonl. files: {name with _ for dots: text or JSON value}, None to
    leave the file out.
    """

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


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The root of `client`."""
    return tmp_path_factory.mktemp("studio") / "root"


@pytest.fixture
def filled(root, make_run):
    """The root with two runs, a broken one, and a secret outside that a link leads to."""
    if not (root / "run").exists():
        make_run(root / "run", console_log="hello\n", report_html="old")
        make_run(root / "study" / "two", DONE="")
        make_run(root / "bad", config_json="{", eval_json="[")
        (root.parent / "secret").mkdir()
        (root.parent / "secret" / "000001.png").write_text("SECRET")
        (root.parent / "secret" / "config.json").write_text('{"SECRET": 1}')
        (root / "link").symlink_to(root.parent / "secret")
        (root / "run" / "samples" / "000077.png").symlink_to(root.parent / "secret" / "000001.png")
        (root / "bad" / "samples").rename(root / "bad" / "kept")
        (root / "bad" / "samples").symlink_to(root.parent / "secret")
    return root


@pytest.fixture(scope="module")
def served(root):
    """A client of the application at a loopback address, without a token."""
    pytest.importorskip("httpx2")
    testclient = pytest.importorskip("starlette.testclient")
    serving = pytest.importorskip("gan_jax.studio.serving")
    exported = root.parent / "exported"
    app = serving.build_app(root, "127.0.0.1", "", 1, exported, process.prepare_jax)
    with testclient.TestClient(
        app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False
    ) as client:
        yield client


@pytest.fixture
def client(served, filled):
    """A client of the application whose root is `filled`."""
    return served
