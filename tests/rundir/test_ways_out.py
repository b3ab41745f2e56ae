"""Advice about run folders can be typed, whatever they are called."""

import pathlib
import shlex

from gan_jax.rundir import ways_out


def test_a_path_with_spaces_is_one_word():
    folder = pathlib.Path("my runs/a")
    assert "--init_from=my runs/a" in shlex.split(ways_out.of_finished(folder, 9))
    assert " --init_from=runs/a " in ways_out.of_finished(pathlib.Path("runs/a"), 9)
