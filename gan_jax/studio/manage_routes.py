"""Responses that tidy up: notes, tags and archive, the bin, and files to take away."""

import asyncio
import csv
import io
import os
import time
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gan_jax.errors import InputError
from gan_jax.studio import curve_reader, files, recycle_bin, run_notes
from gan_jax.studio.request_utils import AsciiJson, get_studio, json_body, require_field

BLOCK_BYTES = 2**20  # read at a time
MAX_CHOSEN = 200  # runs of one request
CHECKPOINTS = "checkpoints"
FIRST_ZIP_TIME = 315_619_200  # 1980-01-02, in seconds since the epoch
TEXT_ENDINGS = (".json", ".jsonl", ".log", ".html", ".txt", ".md", ".csv")


async def _names(request: Request) -> tuple[list[str], dict[str, Any]]:
    """Return the runs that a request names, which are all there, and its JSON body.

    Raises:
      NotFound, InputError
    """
    form = await json_body(request)
    names = require_field(form, "names", list)
    if not names or len(names) > MAX_CHOSEN or not all(isinstance(name, str) for name in names):
        raise InputError(f"The request names no run, or more than {MAX_CHOSEN}.")
    for name in names:
        await asyncio.to_thread(get_studio(request).runs.folder, name)
    return list(dict.fromkeys(names)), form


async def change_notes(request: Request) -> Response:
    """Change title, notes, tags or archive of runs; "add" and "remove" are tags."""
    names, form = await _names(request)
    changes = require_field(form, "changes", dict)
    added, removed = (require_field(form, key, list, []) for key in ("add", "remove"))
    known = {key: changes[key] for key in run_notes.EMPTY if key in changes}
    if known.keys() != changes.keys():
        raise InputError("Notes have a title, notes, tags, and whether a run is archived.")

    def change_all():
        for name in names:
            folder, own = get_studio(request).runs.folder(name), dict(known)
            if added or removed:
                kept = [tag for tag in run_notes.read(folder)["tags"] if tag not in removed]
                own["tags"] = [*kept, *added]
            run_notes.change(folder, own)

    await asyncio.to_thread(change_all)
    get_studio(request).forget_summaries()
    return AsciiJson({"message": ""})


async def delete(request: Request) -> Response:
    """Move runs into the bin. Returns their keys there, with which they can be restored.

    What a chosen sweep holds goes with it. Runs that cannot be moved stay, and are named.

    Raises:
      NotFound, InputError: no run can be moved.
    """
    names, _ = await _names(request)
    studio, keys, moved, stay = get_studio(request), [], [], []
    for name in names:
        if any(name.startswith(f"{other}/") for other in names):
            continue
        try:
            keys.append(await asyncio.to_thread(studio.bin.delete, name))
            moved.append(name)
        except InputError as error:
            stay.append(str(error))
    studio.forget_summaries()
    if not keys:
        raise InputError(" ".join(stay))
    return AsciiJson(
        {"keys": keys, "message": ". ".join([f"{', '.join(moved)}: in the bin", *stay])}
    )


async def restore(request: Request) -> Response:
    """Move what was deleted back to where it was."""
    key = require_field(await json_body(request), "key", str)
    name = await asyncio.to_thread(get_studio(request).bin.restore, key)
    return AsciiJson({"name": name, "message": f"{name}: restored"})


async def list_bin(request: Request) -> Response:
    """Return what is in the bin, and where that is."""
    studio = get_studio(request)
    entries = await asyncio.to_thread(studio.bin.entries)
    shown = [{key: one[key] for key in ("key", "name", "deleted", "bytes")} for one in entries]
    return AsciiJson({"entries": shown, "folder": str(studio.runs.root / recycle_bin.FOLDER)})


def _attachment(name: str, ending: str) -> dict[str, str]:
    """Return headers that let the browser save a response under a run's name."""
    file = urllib.parse.quote(name.replace("/", "_") + ending, safe="")
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{file}"}


async def get_csv(request: Request) -> Response:
    """Return all logged scalars of a run as CSV, a row per record."""
    name = request.path_params["name"]
    path = get_studio(request).runs.folder(name) / "metrics.jsonl"
    headers = _attachment(name, ".csv")
    return StreamingResponse(csv_lines(path), media_type="text/csv", headers=headers)


def csv_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a CSV file: step and every scalar of a metrics.jsonl, and its seconds.

    The file is read twice, in bounded memory: for the names, then for the values.
    """
    columns: dict[str, None] = {}
    for record in _records(path):
        columns |= dict.fromkeys(curve_reader.scalars(record))
    names = sorted(columns)[: curve_reader.MAX_CURVES]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "seconds", *names])
    for record in _records(path):
        wall = record.get("wall")
        seconds = wall.get("time", "") if isinstance(wall, dict) else ""
        values = curve_reader.scalars(record)
        writer.writerow([record["step"], seconds, *(values.get(name, "") for name in names)])
        if text.tell() > BLOCK_BYTES // 8:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the valid records of a metrics.jsonl."""
    try:
        with files.open_regular(path) as file:
            while line := file.readline(files.MAX_RECORD_BYTES):
                if record := files.parse_record(line):
                    yield record
    except OSError:
        return


async def get_zip(request: Request) -> Response:
    """Return a run folder as a ZIP file; with ?checkpoints=no without its checkpoints."""
    name = request.path_params["name"]
    folder = get_studio(request).runs.folder(name)
    skipped = (CHECKPOINTS,) if request.query_params.get("checkpoints") == "no" else ()
    headers = _attachment(name, ".zip")
    blocks = zip_blocks(folder, name.rpartition("/")[2], skipped)
    return StreamingResponse(blocks, media_type="application/zip", headers=headers)


class _Blocks(io.RawIOBase):
    """A file that is written to its end and read as blocks."""

    def __init__(self):
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data, self._parts = b"".join(self._parts), []
        return data


def zip_blocks(folder: Path, top: str, skipped: tuple[str, ...] = ()) -> Iterator[bytes]:
    """Yield the blocks of a ZIP file of a folder. Regular files alone; no link is followed.

    Args:
      folder: the folder.
      top: its name in the ZIP file.
      skipped: names of folders at its top that are left out.
    """
    out = _Blocks()
    with zipfile.ZipFile(out, "w") as archive:
        for place, folders, names in os.walk(folder):
            relative = Path(place).relative_to(folder)
            folders[:] = sorted(one for one in folders if relative.parts or one not in skipped)
            for name in sorted(names):
                try:
                    file = files.open_regular(Path(place) / name)
                except OSError:
                    continue
                inner = os.fsencode(Path(top, relative, name)).decode(errors="replace")
                changed = max(os.fstat(file.fileno()).st_mtime, FIRST_ZIP_TIME)
                info = zipfile.ZipInfo(inner, time.localtime(changed)[:6])
                if Path(name).suffix in TEXT_ENDINGS:  # pictures and checkpoints are compressed
                    info.compress_type = zipfile.ZIP_DEFLATED
                with file, archive.open(info, "w", force_zip64=True) as entry:
                    while block := file.read(BLOCK_BYTES):
                        entry.write(block)
                        yield out.take()
    yield out.take()
