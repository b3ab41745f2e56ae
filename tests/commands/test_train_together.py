"""What several processes do where nothing is trained: all end when process 0 has spoken."""

import pytest

from gan_jax.commands import train
from gan_jax.training import peers
from tests import peer_processes

TINY = ["--data=galaxies:20", "--size=8", "--width=2", "--z_dim=3", "--batch=4", "--steps=2"]


@pytest.mark.parametrize("flag", ["--check_data", "--dry_run"])
@pytest.mark.parametrize("index", [0, 1])
def test_others_wait_until_process_0_has_spoken(tmp_path, capsys, monkeypatch, index, flag):
    """Those that end at once would take process 0 with them before it has a verdict."""
    met = []
    team = peers.Peers(index=index)
    monkeypatch.setattr(team, "meet", lambda name: met.append((name, capsys.readouterr().out)))
    monkeypatch.setattr(peers, "_CURRENT", team)
    train.run("gan", [*TINY, "--devices=1", flag, f"--workdir={tmp_path}/run"])
    [(_, said)] = [place for place in met if place[0] == train.SAID]
    assert ("Verdict" in said or "Dry run" in said) == (index == 0)


@pytest.mark.long
@pytest.mark.parametrize(("more", "expected"), [([], 0), (["--loss=wasserstein"], 2)])
def test_a_check_by_two_processes_has_a_verdict(tmp_path, child_env, more, expected):
    words = ["gan", *TINY, *more, "--check_data", f"--workdir={tmp_path}/run"]
    ended = peer_processes.end(peer_processes.start(2, words, child_env))
    assert [code for code, *_ in ended] == [expected] * 2, ended
    assert "Verdict" in ended[0][1] and "Verdict" not in ended[1][1]
