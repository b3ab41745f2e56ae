"""Server-sent events of a run: its summary, new records, new console text."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gan_jax.studio import curve_reader, files, run_facts, run_index, slurm_facts
from gan_jax.studio.app_state import POLL_SECONDS, Studio
from gan_jax.studio.curve_reader import Position
from gan_jax.studio.request_utils import get_studio
from gan_jax.studio.run_routes import CONSOLE_BYTES
from gan_jax.studio.run_state import ACTIVE_STATES

KEEPALIVE_SECONDS = 15  # of silence, after which a comment keeps the connection open
RETRY_MS = 2000  # until a page whose stream has ended asks for the next


class StreamPosition(NamedTuple):
    """How much of a run a page has received; the id of the events says it."""

    log: Position  # in metrics.jsonl
    console: int | None  # bytes of console.log; None: what is there now


async def stream(request: Request) -> Response:
    """Stream the events of a run.

    Events: "run" with {"run": summary, "samples": steps}; "records" with new lines of
    metrics.jsonl; "console" with new text; "reload" where metrics.jsonl was replaced; "gone".

    With ?once the stream ends after what is new, and the browser asks again. Browsers hold at most
    six connections to a server, so only a few pages can keep one open.
    """
    studio, name = get_studio(request), request.path_params["name"]
    event_id = request.headers.get("last-event-id") or request.query_params.get("position", "")
    events = RunEvents(studio, name, _parse_event_id(event_id))
    chunks = _single(events) if "once" in request.query_params else _continuous(request, events)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(chunks, media_type="text/event-stream", headers=headers)


def _parse_event_id(text: str) -> StreamPosition:
    """Parse "INODE-OFFSET" or "INODE-OFFSET-CONSOLE"; anything else is the beginning."""
    numbers = text.split("-")
    valid = all(n.isascii() and n.isdigit() and len(n) < 20 for n in numbers)
    if not valid or not 2 <= len(numbers) <= 3:
        return StreamPosition(curve_reader.BEGINNING, None)
    inode, offset, *console = map(int, numbers)
    return StreamPosition(Position(inode, offset), console[0] if console else None)


async def _single(events: "RunEvents") -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n" + (await events.poll() or ": nothing\n\n")


async def _continuous(request: Request, events: "RunEvents") -> AsyncIterator[str]:
    silent = 0.0
    while not (events.is_gone or await request.is_disconnected()):
        text = await events.poll()
        silent = 0.0 if text else silent + POLL_SECONDS
        if silent >= KEEPALIVE_SECONDS:
            silent, text = 0.0, ": alive\n\n"
        if text:
            yield text
        await asyncio.sleep(POLL_SECONDS if events.is_active else 2 * POLL_SECONDS)


class RunEvents:
    """The events of a run that one page has not received yet.

    Attributes:
      is_gone: whether the run folder was removed.
      is_active: whether the run trains, or will.
    """

    def __init__(self, studio: Studio, name: str, position: StreamPosition):
        """Start at a position.

        Raises:
          run_index.NotFound
        """
        self._studio, self._name, self._folder = studio, name, studio.runs.folder(name)
        self._log, console = position
        if console is None:
            _, console = files.read_tail(slurm_facts.console(self._folder), 1)
        self._console: int = console
        self._sent: dict[str, Any] | None = None
        self.is_gone = self.is_active = False

    async def poll(self) -> str:
        """Return the events since the last call as text; "" if there are none."""
        try:
            run = await self._studio.summary(self._name)
        except run_index.NotFound:
            self.is_gone = True
            return self._event("gone", {})
        samples, records, text = await asyncio.to_thread(self._read)
        current = {"run": run, "samples": samples}
        events = self._event("run", current) if current != self._sent else ""
        if text:
            events += self._event("console", text)
        if records is None:
            events += self._event("reload", {})
        elif records:
            events += self._event("records", records)
        self._sent, self.is_active = current, run["state"] in ACTIVE_STATES
        return events

    def _read(self):
        """Read (steps of the grids, new records or None, new text of the console)."""
        records, self._log = curve_reader.new_records(self._folder / "metrics.jsonl", self._log)
        text, self._console = _new_text(slurm_facts.console(self._folder), self._console)
        return run_facts.sample_steps(self._folder), records, text

    def _event(self, kind, value):
        event_id = f"{self._log.inode}-{self._log.offset}-{self._console}"
        return f"id: {event_id}\nevent: {kind}\ndata: {json.dumps(value, allow_nan=False)}\n\n"


def _new_text(path: Path, known: int) -> tuple[str, int]:
    """Read what a console gained beyond `known` bytes. Returns (text, size now)."""
    try:
        with files.open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(known, size - CONSOLE_BYTES))
            text = file.read(CONSOLE_BYTES).decode(errors="replace") if size > known else ""
            return text, size
    except OSError:
        return "", 0
