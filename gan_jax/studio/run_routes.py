"""Responses about runs: the list, one run, its curves and its sample grids."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gan_jax.errors import InputError
from gan_jax.report import equilibrium
from gan_jax.studio import files, run_facts, run_index, run_notes, security, slurm_facts, sweeps
from gan_jax.studio.launch_files import TRAINING
from gan_jax.studio.request_utils import MAX_IMAGE_BYTES, AsciiJson, get_studio

# Parts of descriptions.describe that pages show beside values.
CAPTIONS = ("captions", "meanings", "warmup", "scores", "better", "rows")
CONSOLE_BYTES = 2**15  # of a console that a page starts with
TEXT_BYTES = 2**16  # of a sweep's summary
MAX_DOCUMENT_BYTES = 2**26
MEDIA_TYPES = {"comparison": "text/html", "table": "text/csv"}  # {key of sweeps.DOCUMENTS: type}


async def list_runs(request: Request) -> Response:
    """Return the summaries of all runs and sweeps, and how many may train at a time."""
    studio = get_studio(request)
    runs = await asyncio.to_thread(studio.runs.summaries)
    sweeps = await asyncio.to_thread(studio.runs.sweep_summaries)
    return AsciiJson({"runs": runs, "sweeps": sweeps, "jobs": studio.launcher.jobs})


async def get_captions(request: Request) -> Response:
    """Return the captions of curves, the meanings of warnings, and the names of scores."""
    descriptions = await get_studio(request).descriptions()
    return AsciiJson({key: descriptions[key] for key in CAPTIONS})


async def get_run(request: Request) -> Response:
    """Return a run's summary, sample steps, configuration, class shares and end of its console.

    "meeting" is where D's mean outputs meet, with a sentence; None where that is not known.
    """
    studio, name = get_studio(request), request.path_params["name"]
    summary = await studio.summary(name)
    details = await asyncio.to_thread(_details, studio.runs.folder(name))
    return AsciiJson({"run": summary, **details})


def _details(folder: Path) -> dict[str, Any]:
    details: dict[str, Any] = {
        "samples": run_facts.sample_steps(folder),
        "config": None,
        "meeting": None,
        "shares": None,
        "console": files.read_tail(slurm_facts.console(folder), CONSOLE_BYTES)[0],
        "notes": run_notes.read(folder)["notes"],
    }
    with contextlib.suppress(InputError):
        details["config"] = config = files.read_config(folder)
        if config and (level := equilibrium.of_probabilities(config)):
            details["meeting"] = {"level": level, "text": equilibrium.PROB_TEXT}
        details["shares"] = _evaluated_shares(files.read_json(folder / "eval.json") or {})
    return details


def _evaluated_shares(record: dict[str, Any]) -> dict[str, list] | None:
    """Return {"classes": [K], "real": [K], "model": [K]} of an eval.json, or None."""
    rows, classes = record.get("rows"), record.get("classes")
    row = rows.get("model") if isinstance(rows, dict) else None
    real, model = (
        record.get("real_fractions"),
        row.get("fractions") if isinstance(row, dict) else None,
    )
    if not isinstance(classes, list) or not classes:
        return None
    if not isinstance(real, list) or not isinstance(model, list):
        return None
    if not len(real) == len(model) == len(classes):
        return None
    return {
        "classes": [str(name) for name in classes],
        "real": [files.finite_float(share) for share in real],
        "model": [files.finite_float(share) for share in model],
    }


async def get_scores(request: Request) -> Response:
    """Return the scores of a run as its report shows them, see report_tasks.score_table."""
    studio = get_studio(request)
    return AsciiJson({"table": await studio.score_table(request.path_params["name"])})


async def get_sweep(request: Request) -> Response:
    """Return a sweep's summary, its runs, those that have no folder, its text and its console."""
    studio, name = get_studio(request), request.path_params["name"]
    if name not in studio.runs.sweeps():
        raise run_index.NotFound("There is no such sweep under this root.")
    return AsciiJson(await asyncio.to_thread(_sweep, studio.runs, name))


def _sweep(runs: run_index.RunIndex, name: str) -> dict[str, Any]:
    folder = runs.folder(name)
    summary, *children = runs.with_children(name)
    known = {child["name"].rpartition("/")[2] for child in children}
    outcomes = {}
    with contextlib.suppress(InputError):
        outcomes = sweeps.read_outcomes(folder)
    absent = [
        {"name": run, "code": outcome["code"], "reason": outcome["reason"]}
        for run, outcome in outcomes.items()
        if run not in known
    ]
    return {
        "sweep": summary,
        "runs": children,
        "absent": absent,
        "text": files.read_tail(folder / sweeps.DOCUMENTS["text"], TEXT_BYTES)[0],
        "console": files.read_tail(folder / TRAINING.console, CONSOLE_BYTES)[0],
        "notes": run_notes.read(folder)["notes"],
    }


async def get_sweep_document(request: Request) -> Response:
    """Return the comparison or the table that a sweep wrote."""
    studio, name = get_studio(request), request.path_params["name"]
    kind = request.path_params["kind"]
    if name not in studio.runs.sweeps() or kind not in MEDIA_TYPES:
        raise run_index.NotFound("There is no such document.")
    path = studio.runs.folder(name) / sweeps.DOCUMENTS[kind]
    try:
        with files.open_regular(path) as file:
            data = await asyncio.to_thread(file.read, MAX_DOCUMENT_BYTES)
    except OSError as error:
        raise run_index.NotFound("There is no such document yet.") from error
    headers = {"Content-Security-Policy": security.SANDBOX_POLICY}
    if kind == "table":
        headers["Content-Disposition"] = 'attachment; filename="summary.csv"'
    return Response(data, media_type=MEDIA_TYPES[kind], headers=headers)


async def get_curves(request: Request) -> Response:
    """Return all curves of a run, and the position from which its stream goes on."""
    studio = get_studio(request)
    folder = studio.runs.folder(request.path_params["name"])
    async with studio.reader_lock:
        reader = studio.readers.get(folder / "metrics.jsonl")
        while await asyncio.to_thread(reader.advance):
            pass
        return AsciiJson(reader.to_dict())


async def get_grid(request: Request) -> Response:
    """Return a sample grid of a run as a PNG file."""
    folder = get_studio(request).runs.folder(request.path_params["name"])
    step = request.path_params["step"]
    if not run_facts.is_step(step) or (folder / "samples").is_symlink():
        raise run_index.NotFound("There is no such sample grid.")
    try:
        with files.open_regular(folder / "samples" / f"{int(step):06d}.png") as file:
            return Response(file.read(MAX_IMAGE_BYTES), media_type="image/png")
    except OSError as error:
        raise run_index.NotFound("There is no such sample grid.") from error
