"""Responses that the worker computes: samples and their variations, colorization, reports."""

import base64
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gan_jax.errors import InputError
from gan_jax.studio import forms, security
from gan_jax.studio.forms import SampleOptions
from gan_jax.studio.request_utils import (
    MAX_IMAGE_BYTES,
    AsciiJson,
    get_studio,
    json_body,
    read_body,
    require_field,
)

MAX_COMPARED = 24  # runs on one page
COMPARISON_SECONDS = 30  # for which a comparison is kept, since its frame asks for it again
MAX_CHANGES = 100  # of a latent
MEDIA_TYPES = {"png": "image/png", "npz": "application/octet-stream"}


def _sandboxed(html: str) -> Response:
    """Return a page with its style and pictures inside, which may not run or load anything."""
    return HTMLResponse(html, headers={"Content-Security-Policy": security.SANDBOX_POLICY})


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


async def report(request: Request) -> Response:
    """Return the report of a run, written anew."""
    studio = get_studio(request)
    folder = studio.runs.folder(request.path_params["name"])
    return _sandboxed(await studio.run_task("report_page", folder))


async def comparison(request: Request) -> Response:
    """Return the page that compares the runs that the query names.

    Raises:
      NotFound, InputError: there is no such run, or there are too many.
    """
    studio = get_studio(request)
    names = request.query_params.getlist("run")
    if len(names) > MAX_COMPARED:
        raise InputError(
            f"{len(names)} runs are chosen; one page compares up to {MAX_COMPARED}. Compare more "
            "with `gan-jax compare`."
        )
    folders = [studio.runs.folder(name) for name in names]
    known, when, html = studio.comparison
    if known != folders or time.monotonic() - when > COMPARISON_SECONDS:
        html = await studio.run_task("comparison_page", folders)
        studio.comparison = folders, time.monotonic(), html
    return _sandboxed(html)


async def describe_run(request: Request) -> Response:
    """Return what can be sampled from a run, see sampling_tasks.describe_run."""
    studio = get_studio(request)
    folder = studio.sampled_folder(request.path_params["name"])
    return AsciiJson(await studio.run_task("describe_run", folder))


async def _parse_request(request: Request) -> tuple[Path, dict[str, Any], SampleOptions]:
    """Parse a request about samples.

    Returns:
      (run folder, whole JSON body, what is sampled).

    Raises:
      InputError
    """
    form = await json_body(request)
    options = forms.parse_settings(SampleOptions(), require_field(form, "options", dict))
    folder = get_studio(request).sampled_folder(require_field(form, "name", str))
    return folder, form, options


async def sample(request: Request) -> Response:
    """Return images of a checkpoint."""
    folder, _, options = await _parse_request(request)
    result = await get_studio(request).run_task("sample", folder, options)
    return AsciiJson({**result, "images": [_data_url(png) for png in result["images"]]})


async def interpolate(request: Request) -> Response:
    """Return the path between two sampled images."""
    folder, form, options = await _parse_request(request)
    ends = require_field(form, "first", int), require_field(form, "last", int)
    pngs = await get_studio(request).run_task("interpolate", folder, options, *ends)
    return AsciiJson({"images": [_data_url(png) for png in pngs]})


async def edit_latent(request: Request) -> Response:
    """Return a sampled image with some dimensions of its noise set."""
    folder, form, options = await _parse_request(request)
    changes = require_field(form, "changes", list)
    if not all(_is_change(change) for change in changes):
        raise InputError("changes is not a list of [dimension, value].")
    i, changes = require_field(form, "image", int), changes[:MAX_CHANGES]
    png = await get_studio(request).run_task("edit_latent", folder, options, i, changes)
    return AsciiJson({"image": _data_url(png)})


def _is_change(change):
    """Return whether a JSON value is [dimension, value]."""
    if not isinstance(change, list) or len(change) != 2:
        return False
    return type(change[0]) is int and type(change[1]) in (int, float)


async def nearest_images(request: Request) -> Response:
    """Return the training images nearest to a sampled one."""
    folder, form, options = await _parse_request(request)
    i = require_field(form, "image", int)
    result = await get_studio(request).run_task("nearest_images", folder, options, i)
    return AsciiJson({**result, "images": [_data_url(png) for png in result["images"]]})


async def download(request: Request) -> Response:
    """Return sampled images as a file."""
    folder, request_form, options = await _parse_request(request)
    form = require_field(request_form, "form", str)
    if form not in MEDIA_TYPES:
        raise InputError("Images are saved as png or npz.")
    data = await get_studio(request).run_task("encode_samples", folder, options, form)
    return Response(data, media_type=MEDIA_TYPES[form])


async def colorize(request: Request) -> Response:
    """Return an uploaded image: gray, colorized, original."""
    studio = get_studio(request)
    folder = studio.sampled_folder(request.path_params["name"])
    data = await read_body(request, MAX_IMAGE_BYTES)
    pngs = await studio.run_task("colorize", folder, data)
    return AsciiJson({"images": [_data_url(png) for png in pngs]})
