"""Answers about runs: the list, one of them, its curves and grids."""

import asyncio
import contextlib

from starlette.responses import Response

from gan_jax.errors import InputError
from gan_jax.studio import files, run_index
from gan_jax.studio.request_utils import PICTURE, Json, studio

CONSOLE = 2**15  # bytes of a console that a page begins with


async def listed(request):
    """All runs, and how many may train at a time."""
    runs = await asyncio.to_thread(studio(request).library.all)
    return Json({"runs": runs, "jobs": studio(request).launcher.jobs})


async def words(request):
    """Explanations of curves and warnings."""
    known = await asyncio.shield(studio(request).known)
    return Json({"captions": known["captions"], "meanings": known["meanings"]})


async def one(request):
    """A run: its summary, sample grids, configuration, scores and class shares, and the end of its console."""
    name = request.path_params["name"]
    summary = await studio(request).summary(name)
    folder = studio(request).library.folder(name)
    return Json({"run": summary, **await asyncio.to_thread(_details, folder)})


def _details(folder):
    out = {"samples": run_index.steps(folder), "config": None, "shares": None}
    out["console"], _ = files.tail(folder / "console.log", CONSOLE)
    with contextlib.suppress(InputError):
        out["config"] = files.read_json(folder / "config.json")
        out["shares"] = _shares(files.read_json(folder / "eval.json") or {})
    return out


def _shares(record):
    """{"classes", "real", "model"}: class fractions of an eval.json, or None."""
    rows, classes = record.get("rows"), record.get("classes")
    model = rows.get("model") if isinstance(rows, dict) else None
    shares = [
        record.get("real_fractions"),
        model.get("fractions") if isinstance(model, dict) else None,
    ]
    if (
        not isinstance(classes, list)
        or not classes
        or any(not isinstance(s, list) or len(s) != len(classes) for s in shares)
    ):
        return None
    real, made = ([run_index.number(v) for v in s] for s in shares)
    return {"classes": [str(c) for c in classes], "real": real, "model": made}


async def curves(request):
    """All curves of a run, and the place from which the stream goes on."""
    folder, shared = studio(request).library.folder(request.path_params["name"]), studio(request)
    async with shared.reading:
        found = shared.shelf.of(folder / "metrics.jsonl")
        while await asyncio.to_thread(found.advance):
            pass
        return Json(found.to_dict())


async def grid(request):
    """A sample grid of a run, a PNG file."""
    folder, step = (
        studio(request).library.folder(request.path_params["name"]),
        request.path_params["step"],
    )
    if (
        not (step.isascii() and step.isdigit() and len(step) < 12)
        or (folder / "samples").is_symlink()
    ):
        raise run_index.Missing("There is no such sample grid.")
    try:
        with files.open_regular(folder / "samples" / f"{int(step):06d}.png") as file:
            return Response(file.read(PICTURE), media_type="image/png")
    except OSError as error:
        raise run_index.Missing("There is no such sample grid.") from error
