"""What tests of several commands share."""

import shutil

import pytest


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """slurm(NAME=text, ...): let programs of SLURM be these bash scripts, and no others.

    The test stands in tmp_path.
    """
    (tmp_path / "bin").mkdir()
    bash = shutil.which("bash")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")

    def install(**programs):
        for name, text in programs.items():
            (tmp_path / "bin" / name).write_text(f"#!{bash}\n{text}\n")
            (tmp_path / "bin" / name).chmod(0o755)

    return install
