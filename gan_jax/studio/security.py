"""Middleware: host, origin and token checks; security headers."""

import hmac
import ipaddress
import urllib.parse

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# For self-contained pages, such as report.html: inline style, no script, no requests.
SANDBOX_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
)


def is_loopback(host: str) -> bool:
    """Return whether an address or a name is this machine's own, which no other can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _hostname(netloc: str) -> str:
    """Return the host of HOST:PORT, in lower case and without brackets; "" where it is none."""
    try:
        return urllib.parse.urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


class SecurityMiddleware:
    """ASGI middleware that refuses foreign requests, and adds security headers to responses."""

    def __init__(self, app: ASGIApp, host: str, token: str):
        """Wrap an application.

        Args:
          app: the application.
          host: the address that is listened at. At a loopback address only requests to a loopback
            name are answered, which prevents DNS rebinding.
          token: a secret that every request must carry, or "".
        """
        self.app, self.token, self.loopback_only = app, token, is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope)
        response = self._check_origin(request) or self._check_token(request)

        async def send_with_headers(message: Message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (response or self.app)(scope, receive, send_with_headers)

    def _check_origin(self, request: Request) -> Response | None:
        """Refuse requests to another name, and requests of other sites, except followed links."""
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "none")
        if self.loopback_only and not is_loopback(_hostname(host)):
            return _refusal(403, "This studio answers to localhost and 127.0.0.1 only.")
        # https: behind a proxy.
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return _refusal(403, "Requests of other origins are refused.")
        is_link = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
        if site not in ("none", "same-origin") and not is_link:
            return _refusal(403, "Requests of other sites are refused.")
        return None

    def _check_token(self, request: Request) -> Response | None:
        """Refuse requests without the token; move a token in the address into a cookie."""
        if not self.token:
            return None
        cookie = f"studio_{request.scope['server'][1]}"
        in_address = request.query_params.get("token")
        if in_address is not None and self._matches(in_address) and request.method == "GET":
            items = request.query_params.multi_items()
            rest = urllib.parse.urlencode([(k, v) for k, v in items if k != "token"])
            path = "/" + urllib.parse.quote(request.url.path.lstrip("/"))  # never //HOST
            response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
            response.set_cookie(cookie, self.token, httponly=True, samesite="strict")
            return response
        in_header = request.headers.get("authorization", "").removeprefix("Bearer ")
        if any(self._matches(text) for text in (request.cookies.get(cookie), in_header) if text):
            return None
        return _refusal(
            401,
            "This studio asks for its token: open the address that it printed when it was started.",
        )

    def _matches(self, text):
        return hmac.compare_digest(text.encode(errors="replace"), self.token.encode())


def _refusal(code: int, text: str) -> Response:
    return JSONResponse({"error": text}, code)
