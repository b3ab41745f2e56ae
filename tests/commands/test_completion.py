"""The completion script, asked by a real bash."""

import shutil
import subprocess

import pytest

from gan_jax.commands import completion

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "gan-jax"
    path.write_text(completion.script())
    return path


@pytest.mark.long
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gan-jax ev", "evaluate"),
        ("gan-jax train mor", "morpho"),
        ("gan-jax train morpho --flagfile=morpho_q", "morpho_quick"),
        ("gan-jax morpho --lambda_r", "--lambda_r="),
        ("gan-jax sweep --flagfile=ablate_sm", "ablate_smoke"),
        ("gan-jax sample runs/x --trunc", "--truncation="),
        ("gan-jax train nothing --s", ""),
    ],
)
def test_bash_completes(script, line, expected):
    code = f'source {script}; COMP_LINE="{line}"; COMP_POINT={len(line)}; _gan_jax; '
    done = subprocess.run(
        ["bash", "-c", code + 'echo "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
    assert not done.stderr
