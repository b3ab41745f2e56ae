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
# {address below /api/: what answers}.
_GET = {
    "runs": run_routes.list_runs,
    "captions": run_routes.get_captions,
    "run/{name:path}": run_routes.get_run,
    "curves/{name:path}": run_routes.get_curves,
    "scores/{name:path}": run_routes.get_scores,
    "sweep/{name:path}": run_routes.get_sweep,
    "bin": manage_routes.list_bin,
    "stream/{name:path}": streaming.stream,
    "experiments": launch_routes.list_experiments,
    "experiment/{name}": launch_routes.get_experiment,
    "sweep_form/{name}": launch_routes.get_sweep_form,
    "scoring_form": launch_routes.get_scoring_form,
    "sampling/{name:path}": sample_routes.describe_run,
}
_POST = {
    "notes": manage_routes.change_notes,
    "delete": manage_routes.delete,
    "restore": manage_routes.restore,
    "command_line": launch_routes.show_command_line,
    "dry_run": launch_routes.check,
    "check_data": launch_routes.check,
    "launch": launch_routes.launch,
    "stop": launch_routes.stop,
    "evaluate": launch_routes.evaluate,
    "stop_scoring": launch_routes.stop_scoring,
    "resume": launch_routes.resume,
    "sample": sample_routes.sample,
    "interpolate": sample_routes.interpolate,
    "edit_latent": sample_routes.edit_latent,
    "nearest_images": sample_routes.nearest_images,
    "download": sample_routes.download,
    "colorize/{name:path}": sample_routes.colorize,
}
API = [
    *(Route(f"/api/{address}", answer) for address, answer in _GET.items()),
    *(Route(f"/api/{address}", answer, methods=["POST"]) for address, answer in _POST.items()),
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
