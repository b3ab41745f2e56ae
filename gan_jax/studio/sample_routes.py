"""Answers that the worker makes: samples and what is done with them, coloured pictures, reports, comparisons."""

import base64
import time

from starlette.responses import HTMLResponse, Response

from gan_jax.errors import InputError
from gan_jax.studio import forms, security
from gan_jax.studio.request_utils import PICTURE, Json, body, given, part, studio

MOST_COMPARED = 24  # runs on one page


def enclosed(html):
    """A page with its style and pictures inside, which may do nothing."""
    return HTMLResponse(html, headers={"Content-Security-Policy": security.ENCLOSED})


async def report(request):
    """The report of a run, made anew."""
    folder = studio(request).library.folder(request.path_params["name"])
    return enclosed(await studio(request).ask("reported", folder))


async def compared(request):
    """The page of experiments.compare about the runs that the query names; kept for a moment, as its frame asks again."""
    shared = studio(request)
    folders = [
        shared.library.folder(name) for name in request.query_params.getlist("run")[:MOST_COMPARED]
    ]
    if shared.compared[0] != folders or time.monotonic() - shared.compared[1] > 30:
        html = await shared.ask("compared", folders)
        shared.compared = folders, time.monotonic(), html
    return enclosed(shared.compared[2])


async def tried(request):
    """What can be tried of a run."""
    return Json(
        await studio(request).ask(
            "look", studio(request).library.folder(request.path_params["name"])
        )
    )


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
    out = await studio(request).ask(
        "path", folder, wanted, part(form, "first", int), part(form, "last", int)
    )
    return Json({"images": [picture(data) for data in out]})


async def moved(request):
    """A sampled image with some dimensions of its noise set."""
    folder, form, wanted = await trial(request)
    changes = part(form, "changes", list)
    if not all(
        isinstance(c, list) and len(c) == 2 and type(c[0]) is int and type(c[1]) in (int, float)
        for c in changes
    ):
        raise InputError("changes is not a list of [dimension, value].")
    out = await studio(request).ask(
        "moved", folder, wanted, part(form, "image", int), changes[:100]
    )
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
