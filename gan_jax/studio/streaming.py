"""What happens to a run as it happens: server-sent events."""

import asyncio
import json
import os

from starlette.responses import StreamingResponse

from gan_jax.studio import curve_reader, files, health, run_index
from gan_jax.studio.request_utils import studio
from gan_jax.studio.run_routes import CONSOLE
from gan_jax.studio.state import TICK

ALIVE = 15  # seconds after which a silent stream says that it is there
AGAIN = 2000  # milliseconds until a page whose stream was ended asks for the next


async def stream(request):
    """Events of a run: "run" with its summary and grids, "records" with new lines, "console" with new text, "again" where
    all is to be read anew, "gone".

    With ?once the stream ends after what is new, and the browser asks again by itself: browsers hold six connections to a
    server at most, so that only a few pages can keep one.
    """
    shared, name = studio(request), request.path_params["name"]
    place = _place(request.headers.get("last-event-id") or request.query_params.get("place", ""))
    news = News(shared, name, place)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    events = _once(news) if "once" in request.query_params else _on_and_on(request, news)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _place(text):
    """(identity of metrics.jsonl, bytes of it that are known, bytes of the console or None), of what `_event` calls an id."""
    numbers = text.split("-")
    if not 2 <= len(numbers) <= 3 or not all(
        n.isascii() and n.isdigit() and len(n) < 20 for n in numbers
    ):
        return 0, 0, None
    identity, known, *said = map(int, numbers)
    return identity, known, said[0] if said else None


async def _once(news):
    yield f"retry: {AGAIN}\n" + (await news.look() or ": nothing\n\n")


async def _on_and_on(request, news):
    silent = 0.0
    while not (news.gone or await request.is_disconnected()):
        text = await news.look()
        silent = 0.0 if text else silent + TICK
        if silent >= ALIVE:
            silent, text = 0.0, ": alive\n\n"
        if text:
            yield text
        await asyncio.sleep(TICK if news.active else 2 * TICK)


class News:
    """What a page about a run does not know yet. gone: whether the run is. active: whether it trains, or will."""

    def __init__(self, shared, name, place):
        """Raises run_index.Missing."""
        self._shared, self._name, self._folder = shared, name, shared.library.folder(name)
        self._place, self._run = place[:2], None
        self._said = (
            files.tail(self._folder / "console.log", 1)[1] if place[2] is None else place[2]
        )
        self.gone = self.active = False

    async def look(self):
        """The events since the last look, as text; "" if there are none."""
        try:
            run = await self._shared.summary(self._name)
        except run_index.Missing:
            self.gone = True
            return self._event("gone", {})
        samples, lines, text = await asyncio.to_thread(self._read)
        now = {"run": run, "samples": samples}
        events = self._event("run", now) if now != self._run else ""
        events += self._event("console", text) if text else ""
        events += (
            self._event("again", {})
            if lines is None
            else self._event("records", lines)
            if lines
            else ""
        )
        self._run, self.active = now, run["health"] in health.ACTIVE
        return events

    def _read(self):
        """(steps of the grids, new records or None, new text of the console)."""
        lines, self._place = curve_reader.news(self._folder / "metrics.jsonl", self._place)
        text, self._said = said_since(self._folder / "console.log", self._said)
        return run_index.steps(self._folder), lines, text

    def _event(self, kind, value):
        identity = "-".join(map(str, (*self._place, self._said)))
        return f"id: {identity}\nevent: {kind}\ndata: {json.dumps(value, allow_nan=False)}\n\n"


def said_since(path, size):
    """(what a console gained since it had a size, its size now)."""
    try:
        with files.open_regular(path) as file:
            now = os.fstat(file.fileno()).st_size
            file.seek(max(size, now - CONSOLE))
            return file.read(CONSOLE).decode(errors="replace") if now > size else "", now
    except OSError:
        return "", 0
