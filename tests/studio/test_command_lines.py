"""The environment of the studio's commands, and what a failed dry run says."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from gan_jax.errors import InputError
from gan_jax.studio import command_lines


def sys_path(env):
    """sys.path of a Python with an environment, in an empty folder."""
    words = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path))"]
    return eval(subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout)


def test_the_users_own_folders_come_first(monkeypatch, tmp_path):
    """A plug-in's folder in PYTHONPATH hides what else has its name, as it does in a terminal."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'own'}{os.pathsep}{tmp_path / 'more'}")
    path = sys_path(command_lines.command_environment())
    own, more = path.index(str(tmp_path / "own")), path.index(str(tmp_path / "more"))
    assert own < more < path.index(str(command_lines.PROJECT))


@pytest.mark.parametrize("given", ["", "/some/where"])
def test_an_installed_package_is_not_put_before_the_standard_library(monkeypatch, given):
    purelib = sysconfig.get_paths()["purelib"]
    monkeypatch.setattr(command_lines, "PROJECT", Path(purelib).resolve())
    monkeypatch.setenv("PYTHONPATH", given)
    env = command_lines.command_environment()
    assert env.get("PYTHONPATH", "") == given
    path = sys_path(env)
    assert path.index(sysconfig.get_paths()["stdlib"]) < path.index(purelib)


def test_a_failed_dry_run_says_its_last_line():
    command_lines.refuse_failed(0, "")
    command_lines.refuse_failed(command_lines.TIMED_OUT, "slow")
    with pytest.raises(InputError, match=r"^--lr=0 is too small\.$"):
        command_lines.refuse_failed(2, "reading ...\n--lr=0 is too small.\n\n")
    with pytest.raises(InputError, match="would fail: KeyError: 'a'"):
        command_lines.refuse_failed(1, "Traceback\nKeyError: 'a'\n")
    with pytest.raises(InputError, match="code 1"):
        command_lines.refuse_failed(1, "")
