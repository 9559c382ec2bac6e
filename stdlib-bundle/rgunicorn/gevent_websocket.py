"""`wsgi.websocket`, as the package gevent-websocket gives it to apps.

The request handler of that package is for gevent's own server. The package's own parts,
the handshake and the call of the app, work here with `gunicorn.socket`.
"""

from _rgunicorn.gevent import BootError


def wrap(app):
    """The app, with WebSockets for the requests that ask for one."""
    try:
        from geventwebsocket.handler import WebSocketHandler
    except ImportError:
        raise BootError(
            "The worker class 'GeventWebSocketWorker' needs gevent-websocket: add it to the "
            "app's packages."
        ) from None

    class Server:
        """The parts of a server that the package's handler uses."""

        clients = {}

        application = app

    class Handler(WebSocketHandler):
        status = None
        headers_sent = False
        result = None

        def __init__(self, environ):
            self.server = Server
            self.application = app
            self.environ = environ
            self.socket = environ["gunicorn.socket"]
            # The port of a client behind a proxy is not known.
            port = int(environ.get("REMOTE_PORT") or id(self))
            self.client_address = environ["REMOTE_ADDR"], port
            self.request_version = environ["SERVER_PROTOCOL"]

        @property
        def rfile(self):
            return self.socket.makefile("rb", -1)

        def start_response(self, status, headers, exc_info=None):
            self.status, self.response_headers = status, headers

    def served(environ, start_response):
        if "websocket" not in environ.get("HTTP_UPGRADE", "").lower():
            return app(environ, start_response)
        handler = Handler(environ)
        refused = handler.upgrade_websocket()
        if not hasattr(handler, "websocket"):
            if handler.status is None:
                return app(environ, start_response)
            body = [part.encode() for part in refused or ()]
            start_response(handler.status, handler.response_headers)
            return body
        fields = "".join(f"{name}: {value}\r\n" for name, value in handler.response_headers)
        head = f"HTTP/1.1 {handler.status}\r\n{fields}\r\n"
        handler.socket.sendall(head.encode("latin-1"))
        handler.run_websocket()
        handler.socket.close()
        return []

    return served
