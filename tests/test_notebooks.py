"""The notebooks of the documentation: each runs from its first cell to its last in a real kernel.

Their own assertions are the test. With NOTEBOOK_FIGURES=FOLDER their figures are kept there, as
NAME_1.png and so on; those that the pages show were made in this way.
"""

import base64
import os
import pathlib

import pytest

from tests import paths
from tests.tiers import cases

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = paths.ROOT / "docs" / "notebooks"
NAMES = ("train_your_own", "collapse", "your_own_method", "latent_search")
QUICK = NAMES[1:3]  # the other two train galaxies, for as long as those together


def outputs(notebook, kind):
    """The outputs of one type of all cells."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs if output.output_type == kind]


def figures(notebook):
    """The figures of all cells, PNG files."""
    data = [output.data for output in outputs(notebook, "display_data")]
    return [base64.b64decode(item["image/png"]) for item in data if "image/png" in item]


@pytest.mark.long
@pytest.mark.notebooks
@pytest.mark.parametrize("name", cases(NAMES, QUICK))
def test_runs_and_what_it_says_holds(name, tmp_path, user_env):
    notebook = jupytext.read(FOLDER / f"{name}.md")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum("assert " in cell.source for cell in code) > 0
    client = nbclient.NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute(env={**user_env, "PYTHONPATH": str(paths.ROOT), "TMPDIR": str(tmp_path)})
    assert all(cell.execution_count for cell in code)
    errors = [o.text for o in outputs(notebook, "stream") if o.name == "stderr"]
    assert not [text for text in errors if "Traceback" in text or "Warning" in text]
    pictures = figures(notebook)
    assert pictures
    if folder := os.environ.get("NOTEBOOK_FIGURES"):
        for i, png in enumerate(pictures, 1):
            pathlib.Path(folder, f"{name}_{i}.png").write_bytes(png)


def test_every_notebook_is_tested_and_in_the_navigation():
    found = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert found == set(NAMES)
    nav = (paths.ROOT / "mkdocs.yml").read_text()
    assert all(f"notebooks/{name}.md" in nav for name in NAMES)
