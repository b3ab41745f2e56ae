"""The server: its pages, what they ask for, and the loop that starts what is queued."""

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import webbrowser

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from gan_jax.errors import InputError
from gan_jax.studio import files, forms, guard, health, launcher, library, series, worker

HERE = pathlib.Path(__file__).parent
TICK = 1.0  # seconds between looks at what changes
BODY = 2**16  # bytes of a request, at most
PICTURE = 20 * 2**20  # bytes of an uploaded picture, at most
CONSOLE = 2**15  # bytes of a console that a page begins with
ALIVE = 15  # seconds after which a silent stream says that it is there
MOST_WAITING = 16  # tasks for the worker
MOST_COMPARED = 24  # runs on one page
templates = Jinja2Templates(directory=HERE / "templates")


class Json(JSONResponse):
    """ASCII, so that no broken character of a run's files can break an answer; NaN is refused where files are read."""

    def render(self, content):
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class Studio:
    """What the requests share."""

    def __init__(self, root, jobs, prepare):
        self.library = library.Library(root)
        self.launcher = launcher.Launcher(self.library, jobs)
        self.worker = worker.Worker(prepare)
        self.shelf, self.reading = series.Shelf(), asyncio.Lock()
        self.checking, self.trying, self.waiting = asyncio.Lock(), asyncio.Lock(), 0
        self.known = None  # task whose result is what `experiments.studio --describe` prints
        self._recent = {}

    def begin(self):
        """Asks for the descriptions of the experiments, and begins to start what is queued. Returns the tasks."""
        self.known = asyncio.create_task(asyncio.to_thread(_described))
        return [self.known, asyncio.create_task(self._keep_starting())]

    async def experiments(self):
        """See forms.describe, by name of the training command."""
        return (await asyncio.shield(self.known))["experiments"]

    async def _keep_starting(self):
        while True:
            try:
                await asyncio.to_thread(self.launcher.tick, await self.experiments())
            except (OSError, InputError) as error:  # such as a root that is not there now
                print(f"The queue does not move: {error}", file=sys.stderr)
                await asyncio.sleep(30 * TICK)
            await asyncio.sleep(TICK)

    async def summary(self, name):
        """See Library.summary; shared by all pages that show the run at this moment."""
        when, found = self._recent.get(name, (0.0, None))
        if time.monotonic() - when > 0.8 * TICK:
            found = await asyncio.to_thread(self.library.summary, name)
            self._recent = {k: v for k, v in self._recent.items() if time.monotonic() - v[0] < TICK}
            self._recent[name] = time.monotonic(), found
        return found

    async def ask(self, task, *args):
        """See Worker.ask. Tasks wait here, not in threads, of which all else needs some. Raises InputError: too many wait."""
        if self.waiting >= MOST_WAITING:
            raise InputError("Too much is asked for at the same time; try again in a moment.")
        self.waiting += 1
        try:
            async with self.trying:
                return await asyncio.to_thread(self.worker.ask, task, *args)
        finally:
            self.waiting -= 1


def _described():
    env = {**launcher.environment(), "JAX_PLATFORMS": "cpu"}
    words = launcher.command("studio", ["--describe"])
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise InputError(f"The experiments cannot be described: {(done.stderr.splitlines() or [''])[-1]}")
    return json.loads(done.stdout)


def studio(request):
    """The Studio of a request."""
    return request.app.state.studio


async def body(request, limit=BODY):
    """The bytes of a request. Raises HTTPException: more than the limit."""
    data = bytearray()
    async for more in request.stream():
        data += more
        if len(data) > limit:
            raise HTTPException(413, f"The request is larger than {limit:,} bytes.")
    return bytes(data)


async def given(request):
    """The JSON object that a request holds. Raises InputError."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "The request must be of type application/json.")
    try:
        found = files.loads((await body(request)).decode())
    except ValueError as error:
        raise InputError("The request is not JSON.") from error
    if not isinstance(found, dict):
        raise InputError("The request is no JSON object.")
    return found


def part(found, name, kind, default=None):
    """A value of a JSON object, of the type that it must have. Raises InputError."""
    value = found.get(name, default)
    if type(value) is not kind:
        raise InputError(f"The request lacks {name}, or it is not of type {kind.__name__}.")
    return value


def page(template):
    """An endpoint that shows a template, about the run that the path may name."""

    async def show(request):
        name = request.path_params.get("name", "")
        if name:
            await asyncio.to_thread(studio(request).library.folder, name)
        return templates.TemplateResponse(request, template, {"name": name, "root": str(studio(request).library.root)})

    return show


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
    out = {"samples": library.steps(folder), "config": None, "shares": None}
    out["console"], _ = files.tail(folder / "console.log", CONSOLE)
    with contextlib.suppress(InputError):
        out["config"] = files.read_json(folder / "config.json")
        out["shares"] = _shares(files.read_json(folder / "eval.json") or {})
    return out


def _shares(record):
    """{"classes", "real", "model"}: class fractions of an eval.json, or None."""
    rows, classes = record.get("rows"), record.get("classes")
    model = rows.get("model") if isinstance(rows, dict) else None
    shares = [record.get("real_fractions"), model.get("fractions") if isinstance(model, dict) else None]
    if not isinstance(classes, list) or not classes or any(not isinstance(s, list) or len(s) != len(classes) for s in shares):
        return None
    real, made = ([library.number(v) for v in s] for s in shares)
    return {"classes": [str(c) for c in classes], "real": real, "model": made}


async def curves(request):
    """All curves of a run, and the place from which the stream goes on."""
    folder, shared = studio(request).library.folder(request.path_params["name"]), studio(request)
    async with shared.reading:
        found = shared.shelf.of(folder / "metrics.jsonl")
        while await asyncio.to_thread(found.advance):
            pass
        return Json(found.to_dict())


async def stream(request):
    """What happens to a run, as server-sent events: "run", "records" with new lines, "again" where all is to be read anew."""
    name = request.path_params["name"]
    folder = studio(request).library.folder(name)
    place = _place(request.headers.get("last-event-id") or request.query_params.get("place", ""))
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, name, folder, place), media_type="text/event-stream", headers=headers)


def _place(text):
    numbers = text.split("-")
    if len(numbers) != 2 or not all(n.isascii() and n.isdigit() and len(n) < 20 for n in numbers):
        return 0, 0
    return int(numbers[0]), int(numbers[1])


def _event(kind, value, place=None):
    identity = f"id: {place[0]}-{place[1]}\n" if place else ""
    return f"{identity}event: {kind}\ndata: {json.dumps(value, allow_nan=False)}\n\n"


async def _events(request, name, folder, place):
    shared, before, said, silent = studio(request), None, files.tail(folder / "console.log", 1)[1], 0.0
    while not await request.is_disconnected():
        try:
            now = {"run": await shared.summary(name), "samples": await asyncio.to_thread(library.steps, folder)}
            lines, after = await asyncio.to_thread(series.news, folder / "metrics.jsonl", place)
            text, said = await asyncio.to_thread(_said_since, folder / "console.log", said)
        except library.Missing:
            yield _event("gone", {})
            return
        events = [_event("run", now)] if now != before else []
        events += [_event("console", text)] if text else []
        if lines is None:
            events.append(_event("again", {}, after))
        elif lines or after != place:
            events.append(_event("records", lines, after))
        before, place = now, after
        silent = 0.0 if events else silent + TICK
        if silent >= ALIVE:
            silent, events = 0.0, [": alive\n\n"]
        if events:
            yield "".join(events)
        await asyncio.sleep(TICK if now["run"]["health"] in health.ACTIVE else 2 * TICK)


def _said_since(path, size):
    """(what a console gained since it had a size, its size now)."""
    try:
        with files.open_regular(path) as file:
            now = os.fstat(file.fileno()).st_size
            if now <= size:
                return "", now
            file.seek(max(size, now - CONSOLE))
            return file.read(CONSOLE).decode(errors="replace"), now
    except OSError:
        return "", 0


async def grid(request):
    """A sample grid of a run, a PNG file."""
    folder, step = studio(request).library.folder(request.path_params["name"]), request.path_params["step"]
    if not (step.isascii() and step.isdigit() and len(step) < 12) or (folder / "samples").is_symlink():
        raise library.Missing("There is no such sample grid.")
    try:
        with files.open_regular(folder / "samples" / f"{int(step):06d}.png") as file:
            return Response(file.read(PICTURE), media_type="image/png")
    except OSError as error:
        raise library.Missing("There is no such sample grid.") from error


def enclosed(html):
    """A page with its style and pictures inside, which may do nothing."""
    return HTMLResponse(html, headers={"Content-Security-Policy": guard.ENCLOSED})


async def report(request):
    """The report of a run, made anew."""
    folder = studio(request).library.folder(request.path_params["name"])
    return enclosed(await studio(request).ask("reported", folder))


async def compared(request):
    """The page of experiments.compare about the runs that the query names."""
    names = request.query_params.getlist("run")[:MOST_COMPARED]
    return enclosed(await studio(request).ask("compared", [studio(request).library.folder(name) for name in names]))


async def experiments(request):
    """Names of the training commands, with the first line of what they are."""
    known = await studio(request).experiments()
    return Json({name: described["doc"].splitlines()[0] for name, described in known.items()})


async def experiment(request):
    """What a form needs to know of a training command."""
    known = await studio(request).experiments()
    if request.path_params["name"] not in known:
        raise library.Missing("There is no such training command.")
    return Json(known[request.path_params["name"]])


async def asked(request):
    """(name of a new run, training command, its flags) of a form. Raises InputError."""
    form, known = await given(request), await studio(request).experiments()
    name, command = part(form, "name", str, ""), part(form, "experiment", str)
    if command not in known:
        raise InputError("There is no such training command.")
    flags = forms.words(known[command], part(form, "flagfile", str, ""), part(form, "flags", dict, {}))
    if name and not launcher.NAME.fullmatch(name):
        raise InputError("A run's name has letters, digits, dot, dash and underscore, and begins with a letter or digit.")
    return name, command, flags


async def line(request):
    """The command line that equals a form."""
    name, command, flags = await asked(request)
    return Json({"line": launcher.line(command, flags, studio(request).library.root / (name or command))})


async def dry(request):
    """What a dry run of a form says."""
    name, command, flags = await asked(request)
    async with studio(request).checking:
        code, said = await asyncio.to_thread(launcher.dry_run, command, flags, studio(request).library.root / (name or command))
    return Json({"code": code, "said": said})


async def launch(request):
    """A form into the queue."""
    name, command, flags = await asked(request)
    await asyncio.to_thread(studio(request).launcher.ask, name, command, flags)
    return Json({"name": name})


async def stop(request):
    """A run asked to save and end."""
    name = part(await given(request), "name", str)
    said = await asyncio.to_thread(studio(request).launcher.stop, name)
    return Json({"said": f"{name}: {said}"})


async def resume(request):
    """A run that stands still into the queue."""
    name = part(await given(request), "name", str)
    await asyncio.to_thread(studio(request).launcher.again, name, await studio(request).experiments())
    return Json({"said": f"{name}: will go on when there is room"})


async def tried(request):
    """What can be tried of a run."""
    return Json(await studio(request).ask("look", studio(request).library.folder(request.path_params["name"])))


async def trial(request):
    """(the run's folder, the form, the forms.Asked) of a request of the page Try it."""
    form = await given(request)
    wanted = forms.read(forms.Asked(), part(form, "asked", dict))
    return studio(request).library.folder(part(form, "name", str)), form, wanted


def picture(data):
    """A PNG file as the src of an <img>."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


async def sample(request):
    """Images of a checkpoint."""
    folder, _, wanted = await trial(request)
    out = await studio(request).ask("sample", folder, wanted)
    return Json({**out, "images": [picture(data) for data in out["images"]]})


async def path(request):
    """The way between two sampled images."""
    folder, form, wanted = await trial(request)
    out = await studio(request).ask("path", folder, wanted, part(form, "first", int), part(form, "last", int))
    return Json({"images": [picture(data) for data in out]})


async def moved(request):
    """A sampled image with some dimensions of its noise set."""
    folder, form, wanted = await trial(request)
    changes = part(form, "changes", list)
    if not all(isinstance(c, list) and len(c) == 2 and type(c[0]) is int and type(c[1]) in (int, float) for c in changes):
        raise InputError("changes is not a list of [dimension, value].")
    out = await studio(request).ask("moved", folder, wanted, part(form, "image", int), changes[:100])
    return Json({"image": picture(out)})


async def near(request):
    """The training images nearest to a sampled one."""
    folder, form, wanted = await trial(request)
    out = await studio(request).ask("near", folder, wanted, part(form, "image", int))
    return Json({**out, "images": [picture(data) for data in out["images"]]})


async def saved(request):
    """Sampled images as a file."""
    folder, form, wanted = await trial(request)
    kind = part(form, "form", str)
    if kind not in ("png", "npz"):
        raise InputError("Images are saved as png or npz.")
    data = await studio(request).ask("save", folder, wanted, kind)
    return Response(data, media_type="image/png" if kind == "png" else "application/octet-stream")


async def colorize(request):
    """An uploaded picture: gray, coloured, original."""
    folder = studio(request).library.folder(request.path_params["name"])
    out = await studio(request).ask("colorize", folder, await body(request, PICTURE))
    return Json({"images": [picture(data) for data in out]})


async def refused(request, error):
    """An InputError as an answer."""
    code = 404 if isinstance(error, library.Missing) else 400
    return said(request, code, str(error))


async def failed(request, error):
    """An HTTPException as an answer."""
    return said(request, error.status_code, error.detail)


async def broken(request, error):
    """An error of ours as an answer; the traceback is on the terminal."""
    return said(request, 500, "The studio failed over this request; its terminal says how.")


def said(request, code, text):
    """An error as a page where one was asked for, else as JSON."""
    if "text/html" in request.headers.get("accept", ""):
        return templates.TemplateResponse(request, "error.html", {"code": code, "text": text, "root": ""}, status_code=code)
    return Json({"error": text}, code)


PAGES = [
    Route("/", page("runs.html")),
    Route("/new", page("new.html")),
    Route("/try", page("try.html")),
    Route("/colorize", page("colorize.html")),
    Route("/compare", page("compare.html")),
    Route("/run/{name:path}", page("run.html")),
    Route("/report/{name:path}", report),
    Route("/compared", compared),
    Route("/grid/{step}/{name:path}", grid),
]
ANSWERS = [
    Route("/api/runs", listed),
    Route("/api/words", words),
    Route("/api/experiments", experiments),
    Route("/api/experiment/{name}", experiment),
    Route("/api/run/{name:path}", one),
    Route("/api/curves/{name:path}", curves),
    Route("/api/stream/{name:path}", stream),
    Route("/api/tried/{name:path}", tried),
    *(
        Route(f"/api/{action.__name__}", action, methods=["POST"])
        for action in (line, dry, launch, stop, resume, sample, path, moved, near, saved)
    ),
    Route("/api/colorize/{name:path}", colorize, methods=["POST"]),
]


def build(root, host, token, jobs, prepare):
    """The application. prepare: see worker.Worker; the others as flags of experiments.studio."""

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.studio = Studio(root, jobs, prepare)
        tasks = app.state.studio.begin()
        yield
        for task in tasks:
            task.cancel()
        app.state.studio.launcher.close()
        app.state.studio.worker.close()

    handlers = {InputError: refused, HTTPException: failed, Exception: broken}
    routes = [*PAGES, *ANSWERS, Mount("/static", StaticFiles(directory=HERE / "static"))]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return guard.Guard(app, host, token)


def serve(root, host, port, token, jobs, show, prepare):
    """Serves until a signal. Raises InputError: the address cannot be listened at."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise InputError(f"--host={host} --port={port} cannot be listened at ({error.strerror}); use another port.") from error
    named = f"[{host}]" if family == socket.AF_INET6 else host
    address = f"http://{named}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
    print(f"Studio of {pathlib.Path(root).resolve()}: {address}\nCtrl-C ends it; runs go on.", flush=True)
    if show:
        webbrowser.open(address)
    app = build(root, host, token, jobs, prepare)
    options = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, server_header=False, lifespan="on")
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn passes on once it has ended
        uvicorn.Server(options).run(sockets=[listening])
