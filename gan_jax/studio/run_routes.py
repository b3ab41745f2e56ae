"""Responses about runs: the list, one run, its curves and its sample grids."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gan_jax.errors import InputError
from gan_jax.studio import files, run_index
from gan_jax.studio.request_utils import MAX_IMAGE_BYTES, AsciiJson, get_studio

CONSOLE_BYTES = 2**15  # of a console that a page starts with


async def list_runs(request: Request) -> Response:
    """Return the summaries of all runs, and how many may train at a time."""
    studio = get_studio(request)
    runs = await asyncio.to_thread(studio.runs.summaries)
    return AsciiJson({"runs": runs, "jobs": studio.launcher.jobs})


async def get_captions(request: Request) -> Response:
    """Return the captions of curves and the meanings of warnings."""
    descriptions = await get_studio(request).descriptions()
    return AsciiJson({key: descriptions[key] for key in ("captions", "meanings")})


async def get_run(request: Request) -> Response:
    """Return a run's summary, sample steps, configuration, class shares and end of its console."""
    studio, name = get_studio(request), request.path_params["name"]
    summary = await studio.summary(name)
    details = await asyncio.to_thread(_details, studio.runs.folder(name))
    return AsciiJson({"run": summary, **details})


def _details(folder: Path) -> dict[str, Any]:
    details: dict[str, Any] = {
        "samples": run_index.sample_steps(folder),
        "config": None,
        "shares": None,
        "console": files.read_tail(folder / "console.log", CONSOLE_BYTES)[0],
    }
    with contextlib.suppress(InputError):
        details["config"] = files.read_config(folder)
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
    if not run_index.is_step(step) or (folder / "samples").is_symlink():
        raise run_index.NotFound("There is no such sample grid.")
    try:
        with files.open_regular(folder / "samples" / f"{int(step):06d}.png") as file:
            return Response(file.read(MAX_IMAGE_BYTES), media_type="image/png")
    except OSError as error:
        raise run_index.NotFound("There is no such sample grid.") from error
