"""What requests hold and how they are answered: limits of size, JSON of the right types, errors as sentences."""

import json
import pathlib

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.templating import Jinja2Templates

from gan_jax.errors import InputError
from gan_jax.studio import files, run_index

BODY = 2**16  # bytes of a request, at most
PICTURE = 20 * 2**20  # bytes of an uploaded picture, at most
templates = Jinja2Templates(directory=pathlib.Path(__file__).parent / "templates")


class Json(JSONResponse):
    """ASCII, so that no broken character of a run's files can break an answer; NaN is refused where files are read."""

    def render(self, content):
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


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


async def refused(request, error):
    """An InputError as an answer."""
    code = 404 if isinstance(error, run_index.Missing) else 400
    return said(request, code, str(error))


async def failed(request, error):
    """An HTTPException as an answer."""
    text = (
        "There is no such page." if error.detail == "Not Found" else error.detail
    )  # Starlette's own word
    return said(request, error.status_code, text)


async def broken(request, error):
    """An error of ours as an answer; the traceback is on the terminal."""
    return said(request, 500, "The studio failed over this request; its terminal says how.")


def said(request, code, text):
    """An error as a page where one was asked for, else as JSON."""
    if "text/html" in request.headers.get("accept", ""):
        return templates.TemplateResponse(
            request, "error.html", {"code": code, "text": text, "root": ""}, status_code=code
        )
    return Json({"error": text}, code)
