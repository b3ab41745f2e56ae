"""The server: routes, start and shutdown."""

import asyncio
import contextlib
import socket
import urllib.parse
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gan_jax.errors import InputError
from gan_jax.studio import (
    launch_routes,
    lessons,
    manage_routes,
    request_utils,
    run_routes,
    sample_routes,
    security,
    streaming,
)
from gan_jax.studio.app_state import Studio

STATIC = Path(__file__).parent / "static"
LESSONS = "/learn/"
# Pages of the navigation bar: {address: (text, template)}.
TEMPLATES = {
    "/": ("Runs", "runs.html"),
    "/new": ("New run", "new.html"),
    "/sweep": ("Sweep", "sweep_form.html"),
    "/try": ("Try it", "try.html"),
    "/colorize": ("Colorize", "colorize.html"),
    "/compare": ("Compare", "compare.html"),
}
NAVIGATION = {address: text for address, (text, _) in TEMPLATES.items()} | {LESSONS: "Learn"}
request_utils.templates.env.globals["navigation"] = NAVIGATION


def _template_page(template: str) -> Callable:
    """Make an endpoint that renders a template, about a run if the path names one."""

    async def endpoint(request: Request) -> Response:
        name, studio = request.path_params.get("name", ""), request_utils.get_studio(request)
        if name:
            await asyncio.to_thread(studio.runs.folder, name)  # raises NotFound
            is_sweep = name in studio.runs.sweeps()
            if is_sweep != (template == "sweep.html"):
                kind = "sweep" if is_sweep else "run"
                return RedirectResponse(f"/{kind}/{urllib.parse.quote(name)}", 303)
        context = {"name": name, "root": str(studio.runs.root)}
        return request_utils.templates.TemplateResponse(request, template, context)

    return endpoint


PAGES = [
    *(Route(address, _template_page(template)) for address, (_, template) in TEMPLATES.items()),
    Route("/run/{name:path}", _template_page("run.html")),
    Route("/sweep/{name:path}", _template_page("sweep.html")),
    Route("/bin", _template_page("bin.html")),
    Route("/document/{kind}/{name:path}", run_routes.get_sweep_document),
    Route("/csv/{name:path}", manage_routes.get_csv),
    Route("/zip/{name:path}", manage_routes.get_zip),
    Route("/report/{name:path}", sample_routes.report),
    Route("/comparison", sample_routes.comparison),
    Route("/grid/{step}/{name:path}", run_routes.get_grid),
]
API = [
    Route("/api/runs", run_routes.list_runs),
    Route("/api/captions", run_routes.get_captions),
    Route("/api/run/{name:path}", run_routes.get_run),
    Route("/api/curves/{name:path}", run_routes.get_curves),
    Route("/api/scores/{name:path}", run_routes.get_scores),
    Route("/api/sweep/{name:path}", run_routes.get_sweep),
    Route("/api/bin", manage_routes.list_bin),
    Route("/api/notes", manage_routes.change_notes, methods=["POST"]),
    Route("/api/delete", manage_routes.delete, methods=["POST"]),
    Route("/api/restore", manage_routes.restore, methods=["POST"]),
    Route("/api/stream/{name:path}", streaming.stream),
    Route("/api/experiments", launch_routes.list_experiments),
    Route("/api/experiment/{name}", launch_routes.get_experiment),
    Route("/api/sweep_form/{name}", launch_routes.get_sweep_form),
    Route("/api/scoring_form", launch_routes.get_scoring_form),
    Route("/api/command_line", launch_routes.show_command_line, methods=["POST"]),
    Route("/api/dry_run", launch_routes.check, methods=["POST"]),
    Route("/api/check_data", launch_routes.check, methods=["POST"]),
    Route("/api/launch", launch_routes.launch, methods=["POST"]),
    Route("/api/stop", launch_routes.stop, methods=["POST"]),
    Route("/api/evaluate", launch_routes.evaluate, methods=["POST"]),
    Route("/api/stop_scoring", launch_routes.stop_scoring, methods=["POST"]),
    Route("/api/resume", launch_routes.resume, methods=["POST"]),
    Route("/api/sampling/{name:path}", sample_routes.describe_run),
    Route("/api/sample", sample_routes.sample, methods=["POST"]),
    Route("/api/interpolate", sample_routes.interpolate, methods=["POST"]),
    Route("/api/edit_latent", sample_routes.edit_latent, methods=["POST"]),
    Route("/api/nearest_images", sample_routes.nearest_images, methods=["POST"]),
    Route("/api/download", sample_routes.download, methods=["POST"]),
    Route("/api/colorize/{name:path}", sample_routes.colorize, methods=["POST"]),
]


def build_app(
    root: str | Path,
    host: str,
    token: str,
    jobs: int,
    exported: str | Path,
    prepare: Callable[[], Any],
    trust: bool = False,
) -> security.SecurityMiddleware:
    """Build the application.

    Args:
      root, host, token, jobs: flags of commands.studio.
      exported: see lessons.Lessons.
      prepare: see worker.Worker.
      trust: whether plug-ins that run folders and forms name may be imported.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.studio = studio = Studio(root, jobs, prepare, trust)
        tasks = studio.start()
        yield
        for task in tasks:
            task.cancel()
        studio.launcher.close()
        studio.worker.close()

    handlers = {
        InputError: request_utils.handle_input_error,
        HTTPException: request_utils.handle_http_error,
        Exception: request_utils.handle_unexpected_error,
    }
    routes = [
        *PAGES,
        *API,
        Mount("/static", StaticFiles(directory=STATIC)),
        Mount(LESSONS, lessons.Lessons(exported)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return security.SecurityMiddleware(app, host, token)


def serve(
    root: str | Path,
    host: str,
    port: int,
    token: str,
    jobs: int,
    exported: str | Path,
    open_browser: bool,
    prepare: Callable[[], Any],
    trust: bool = False,
) -> None:
    """Serve until a signal.

    Args:
      root, host, port, token, jobs, open_browser: flags of commands.studio.
      exported, prepare, trust: see `build_app`.

    Raises:
      InputError: the address cannot be listened at.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise InputError(
            f"--host={host} --port={port} cannot be listened at ({error.strerror}); "
            "use another port."
        ) from error
    netloc = f"[{host}]" if family == socket.AF_INET6 else host
    query = f"?token={token}" if token else ""
    address = f"http://{netloc}:{listener.getsockname()[1]}/{query}"
    print(f"Studio of {Path(root).resolve()}: {address}", flush=True)
    print("Ctrl-C ends it; runs go on.", flush=True)
    if open_browser:
        webbrowser.open(address)
    server = uvicorn.Config(
        build_app(root, host, token, jobs, exported, prepare, trust),
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
    )
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn raises again once it has ended
        uvicorn.Server(server).run(sockets=[listener])
