"""What stands before every request: is it for this studio, from its own pages, from someone who may? And what pages may do."""

import hmac
import ipaddress
import urllib.parse

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# Of a page that was written for files and carries its style with it; it runs nothing and asks for nothing.
ENCLOSED = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
)


def is_loopback(host):
    """Whether an address or a name is this machine's own, which no other can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(netloc):
    """The host of HOST:PORT, in lower case and without brackets; "" where it is none."""
    try:
        return urllib.parse.urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


class Guard:
    """ASGI middleware."""

    def __init__(self, app, host, token):
        """host: the address that is listened at; at a loopback one, only requests by a loopback name are answered (a page of
        another name could otherwise be made to point here). token: the word that must come with a request, or ""."""
        self.app, self.token, self.only_loopback = app, token, is_loopback(host)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope)
        response = self.foreign(request) or self.stranger(request)

        async def sealed(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {"Content-Security-Policy": POLICY, **HEADERS}.items():
                    headers.setdefault(name, value)
            await send(message)

        await (response or self.app)(scope, receive, sealed)

    def foreign(self, request):
        """The refusal of a request that is for another name, or that a page of another origin makes; or None."""
        headers = request.headers
        host, origin, site = (
            headers.get("host", ""),
            headers.get("origin"),
            headers.get("sec-fetch-site", "none"),
        )
        if self.only_loopback and not is_loopback(host_of(host)):
            return _no(403, "This studio answers to localhost and 127.0.0.1 only.")
        if origin is not None and origin not in (
            f"http://{host}",
            f"https://{host}",
        ):  # https: behind a proxy
            return _no(403, "Requests of other origins are refused.")
        followed = (
            request.method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        )  # a link to the studio
        if site not in ("none", "same-origin") and not followed:
            return _no(403, "Requests of other sites are refused.")
        return None

    def stranger(self, request):
        """What to answer to a request without the token, or with one in its address, which moves into a cookie; or None."""
        if not self.token:
            return None
        cookie, given = f"studio_{request.scope['server'][1]}", request.query_params.get("token")
        known = (
            request.cookies.get(cookie),
            request.headers.get("authorization", "").removeprefix("Bearer "),
        )
        if given is not None and self._right(given) and request.method == "GET":
            rest = urllib.parse.urlencode(
                [(k, v) for k, v in request.query_params.multi_items() if k != "token"]
            )
            path = "/" + urllib.parse.quote(request.url.path.lstrip("/"))  # never //host
            response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
            response.set_cookie(cookie, self.token, httponly=True, samesite="strict")
            return response
        if any(self._right(word) for word in known if word):
            return None
        return _no(
            401,
            "This studio asks for its token: open the address that it printed when it was started.",
        )

    def _right(self, word):
        return hmac.compare_digest(word.encode(errors="replace"), self.token.encode())


def _no(code, text):
    return JSONResponse({"error": text}, code)
