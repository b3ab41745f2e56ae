"""gan-jax flagfiles: each file says what it trains and how long that takes, and has one command."""

import pytest

from gan_jax.commands import command_line, entry, flagfile_list, process

NAMES = sorted(path.stem for path in command_line.FLAGFILES.glob("*.flags"))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_line_says_what_and_how_long(name):
    text = (command_line.FLAGFILES / f"{name}.flags").read_text(encoding="utf-8")
    first, *others = text.splitlines()
    file = flagfile_list.describe(name)
    assert first == f"# {file.summary}; {file.time}."
    assert file.summary[0].isupper() or file.summary[0].isdigit()
    assert max(map(len, [first, *others])) <= 100
    words = ("seconds", "minute", "hour", "day", "week", "GPU")
    assert any(word in file.time for word in words), file.time


def test_every_file_belongs_to_one_command():
    owned = [name for command in entry.names() for name in flagfile_list.flagfiles_of(command)]
    assert sorted(owned) == NAMES


def test_a_longer_name_of_a_command_wins():
    assert "acgan_s1" in flagfile_list.flagfiles_of("acgan")
    assert "acgan_s1_section4" in flagfile_list.flagfiles_of("acgan_s1_section4")
    assert "gan_vs_dcgan_quick" not in flagfile_list.flagfiles_of("gan")


def test_the_command_prints_all_files(capsys):
    flagfile_list.run([])
    text = capsys.readouterr().out
    for name in NAMES:
        file = flagfile_list.describe(name)
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
        assert line.endswith(f"  {file.summary}; {file.time}")


def test_the_command_prints_those_of_one_command(capsys):
    flagfile_list.run(["morpho"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("train morpho --flagfile=NAME")
    listed = [line.split()[0] for line in lines if line]
    assert listed == flagfile_list.flagfiles_of("morpho") and "morpho_quick" in listed


def test_another_word_for_a_command_lists_the_same(capsys):
    flagfile_list.run(["ablate"])
    listed = capsys.readouterr().out
    flagfile_list.run(["sweep"])
    assert capsys.readouterr().out == listed and "ablate_quick" in listed


def test_an_unknown_command_is_refused(capsys):
    code = process.guarded(flagfile_list.run, ["morfo"], needs_jax=False)
    said = capsys.readouterr()
    assert code == 2 and said.out == ""
    assert said.err.count("\n") == 1 and "morfo is not a command" in said.err
