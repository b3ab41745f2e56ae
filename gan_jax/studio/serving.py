"""The server: which address leads to which page or answer, and how it begins and ends."""

import asyncio
import contextlib
import pathlib
import socket
import webbrowser

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gan_jax.errors import InputError
from gan_jax.studio import (
    launch_routes,
    lessons,
    request_utils,
    run_routes,
    sample_routes,
    security,
    streaming,
)
from gan_jax.studio.state import Studio

STATIC = pathlib.Path(__file__).parent / "static"


def page(template):
    """An endpoint that shows a template, about the run that the path may name."""

    async def show(request):
        name, shared = request.path_params.get("name", ""), request_utils.studio(request)
        if name:
            await asyncio.to_thread(shared.library.folder, name)
        return request_utils.templates.TemplateResponse(
            request, template, {"name": name, "root": str(shared.library.root)}
        )

    return show


LESSONS = "/learn/"
TEMPLATES = {  # of the pages that every page leads to: {address: (text, template)}
    "/": ("Runs", "runs.html"),
    "/new": ("New run", "new.html"),
    "/try": ("Try it", "try.html"),
    "/colorize": ("Colorize", "colorize.html"),
    "/compare": ("Compare", "compare.html"),
}
NAVIGATION = {address: text for address, (text, _) in TEMPLATES.items()} | {LESSONS: "Learn"}
request_utils.templates.env.globals["navigation"] = NAVIGATION
PAGES = [
    *(Route(address, page(template)) for address, (_, template) in TEMPLATES.items()),
    Route("/run/{name:path}", page("run.html")),
    Route("/report/{name:path}", sample_routes.report),
    Route("/compared", sample_routes.compared),
    Route("/grid/{step}/{name:path}", run_routes.grid),
]
FORMS = [
    *(
        launch_routes.line,
        launch_routes.dry,
        launch_routes.launch,
        launch_routes.stop,
        launch_routes.resume,
    ),
    *(
        sample_routes.sample,
        sample_routes.path,
        sample_routes.moved,
        sample_routes.near,
        sample_routes.saved,
    ),
]
ANSWERS = [
    Route("/api/runs", run_routes.listed),
    Route("/api/words", run_routes.words),
    Route("/api/run/{name:path}", run_routes.one),
    Route("/api/curves/{name:path}", run_routes.curves),
    Route("/api/stream/{name:path}", streaming.stream),
    Route("/api/experiments", launch_routes.experiments),
    Route("/api/experiment/{name}", launch_routes.experiment),
    Route("/api/tried/{name:path}", sample_routes.tried),
    Route("/api/colorize/{name:path}", sample_routes.colorize, methods=["POST"]),
    *(Route(f"/api/{action.__name__}", action, methods=["POST"]) for action in FORMS),
]


def build(root, host, token, jobs, exported, prepare):
    """The application. prepare: see worker.Worker; exported: lessons.Lessons; the others as flags of experiments.studio."""

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.studio = Studio(root, jobs, prepare)
        tasks = app.state.studio.begin()
        yield
        for task in tasks:
            task.cancel()
        app.state.studio.launcher.close()
        app.state.studio.worker.close()

    handlers = {
        InputError: request_utils.refused,
        HTTPException: request_utils.failed,
        Exception: request_utils.broken,
    }
    routes = [
        *PAGES,
        *ANSWERS,
        Mount("/static", StaticFiles(directory=STATIC)),
        Mount(LESSONS, lessons.Lessons(exported)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return security.Guard(app, host, token)


def serve(root, host, port, token, jobs, exported, show, prepare):
    """Serves until a signal. Raises InputError: the address cannot be listened at."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise InputError(
            f"--host={host} --port={port} cannot be listened at ({error.strerror}); use another port."
        ) from error
    named = f"[{host}]" if family == socket.AF_INET6 else host
    address = f"http://{named}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
    print(
        f"Studio of {pathlib.Path(root).resolve()}: {address}\nCtrl-C ends it; runs go on.",
        flush=True,
    )
    if show:
        webbrowser.open(address)
    app = build(root, host, token, jobs, exported, prepare)
    options = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
    )
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn passes on once it has ended
        uvicorn.Server(options).run(sockets=[listening])
