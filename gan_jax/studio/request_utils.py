"""Parsing of requests within limits, and JSON and error responses."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.templating import Jinja2Templates

from gan_jax.errors import InputError
from gan_jax.studio import files, run_index

if TYPE_CHECKING:
    from gan_jax.studio.app_state import Studio

MAX_BODY_BYTES = 2**16
MAX_IMAGE_BYTES = 20 * 2**20  # of an uploaded image
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


class AsciiJson(JSONResponse):
    """JSON in ASCII, so that no broken character in a run's files can break a response."""

    def render(self, content: Any) -> bytes:
        """Encode a value; NaN raises ValueError, and is refused where files are read."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def get_studio(request: Request) -> "Studio":
    """Return the shared state of the application."""
    return request.app.state.studio


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """Read the body of a request.

    Raises:
      HTTPException: 413, it is larger than the limit.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise HTTPException(413, f"The request is larger than {limit:,} bytes.")
    return bytes(data)


async def json_body(request: Request) -> dict[str, Any]:
    """Read the JSON object in the body of a request.

    Raises:
      HTTPException: 415, it is of another type; 413, see `read_body`.
      InputError: it is no JSON object.
    """
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "The request must be of type application/json.")
    try:
        value = files.parse_json((await read_body(request)).decode())
    except ValueError as error:
        raise InputError("The request is not JSON.") from error
    if not isinstance(value, dict):
        raise InputError("The request is no JSON object.")
    return value


def require_field(form: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """Return a field of a JSON object, which must be of exactly this type.

    Raises:
      InputError
    """
    value = form.get(name, default)
    if type(value) is not kind:
        raise InputError(f"The request lacks {name}, or it is not of type {kind.__name__}.")
    return value


def error_response(request: Request, code: int, text: str) -> Response:
    """Return an error as a page where HTML is accepted, else as JSON."""
    if "text/html" in request.headers.get("accept", ""):
        context = {"code": code, "text": text, "root": ""}
        return templates.TemplateResponse(request, "error.html", context, status_code=code)
    return AsciiJson({"error": text}, code)


async def handle_input_error(request: Request, error: Exception) -> Response:
    """Respond to an InputError: 404 where something was not found, else 400."""
    return error_response(
        request, 404 if isinstance(error, run_index.NotFound) else 400, str(error)
    )


async def handle_http_error(request: Request, error: Exception) -> Response:
    """Respond to an HTTPException."""
    assert isinstance(error, HTTPException)
    # "Not Found" is Starlette's own text.
    text = "There is no such page." if error.detail == "Not Found" else error.detail
    return error_response(request, error.status_code, text)


async def handle_unexpected_error(request: Request, error: Exception) -> Response:
    """Respond to a bug; the server prints its traceback."""
    text = "The studio failed over this request; its terminal says how."
    return error_response(request, 500, text)
