"""The worker classes of uvicorn. The asgi worker does their work.

Keywords in `CONFIG_KWARGS` that uvicorn's classes use become settings of ours, or a
warning if there is no such setting.
"""

from gunicorn.workers.base import Worker
from gunicorn.workers.gasgi import ASGIWorker

# Keywords of uvicorn, and the equivalent settings.
SETTINGS = {
    "backlog": "backlog",
    "forwarded_allow_ips": "forwarded_allow_ips",
    "lifespan": "asgi_lifespan",
    "limit_concurrency": "limit_concurrency",
    "limit_max_requests": "max_requests",
    "limit_max_requests_jitter": "max_requests_jitter",
    "proxy_headers": "proxy_headers",
    "root_path": "root_path",
    "ssl_ca_certs": "ca_certs",
    "ssl_cert_reqs": "cert_reqs",
    "ssl_certfile": "certfile",
    "ssl_ciphers": "ciphers",
    "ssl_keyfile": "keyfile",
    "timeout_graceful_shutdown": "graceful_timeout",
    "timeout_keep_alive": "keepalive",
    "ws_max_size": "websocket_max_message_size",
}

# Values that ask only for what is done anyway.
USUAL = {
    "access_log": (True,),
    "app": (None,),
    "date_header": (True,),
    "env_file": (None,),
    "http": ("auto", "h11", "httptools"),
    "interface": ("auto", "asgi3"),
    "log_config": (None,),
    "log_level": (None,),
    "server_header": (True,),
    "use_colors": (None, False),
    "ws": ("auto", "websockets", "websockets-sansio", "wsproto"),
    "ws_per_message_deflate": (True,),
}


class UvicornWorker(ASGIWorker):
    """Apps that speak ASGI."""

    CONFIG_KWARGS = {"loop": "auto", "http": "auto"}
    handlers = Worker.handlers
    never_called = ASGIWorker.never_called | {"_serve", "callback_notify"}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.config = Config(self)

    def run(self):
        if self.CONFIG_KWARGS.get("factory"):
            self.wsgi = self.wsgi()
        if headers := self.CONFIG_KWARGS.get("headers"):
            self.wsgi = with_headers(self.wsgi, headers)
        super().run()

    @classmethod
    def brings(cls):
        """The settings that `CONFIG_KWARGS` asks for, and sentences about the
        others."""
        settings, warnings = [], []
        for keyword, value in cls.CONFIG_KWARGS.items():
            setting = _setting(keyword, value)
            if setting is not None:
                settings.append(setting)
            elif keyword not in ("factory", "headers") and value not in USUAL.get(keyword, ()):
                warnings.append(
                    f"CONFIG_KWARGS of the worker class {cls.__qualname__} has "
                    f"{keyword}={value!r}, which changes nothing here."
                )
        return settings, warnings


class UvicornH11Worker(UvicornWorker):
    """Apps that speak ASGI, on asyncio's own loop."""

    CONFIG_KWARGS = {"loop": "asyncio", "http": "h11"}


class Config:
    """The `config` of uvicorn's workers: the keywords, read-only."""

    def __init__(self, worker):
        vars(self).update(worker.CONFIG_KWARGS)
        self.__dict__["_worker"] = worker

    def __setattr__(self, name, value):
        worker = self._worker
        worker.log.warning(
            "The worker class %s sets config.%s, which changes nothing here: "
            "put it into CONFIG_KWARGS.",
            type(worker).__qualname__,
            name,
        )
        vars(self)[name] = value


def with_headers(app, headers):
    """The app, with these fields in its responses."""
    fields = [(_bytes(name), _bytes(value)) for name, value in headers]

    async def asgi(scope, receive, send):
        async def send_more(message):
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = message | {"headers": [*fields, *message.get("headers", ())]}
            await send(message)

        await app(scope, receive, send_more)

    return asgi


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _setting(keyword, value):
    """The setting for a keyword, with its value; None if there is none."""
    if keyword in SETTINGS:
        if keyword == "forwarded_allow_ips" and isinstance(value, (list, tuple)):
            value = ",".join(value)
        return SETTINGS[keyword], value
    if keyword == "loop" and value in ("auto", "asyncio", "uvloop", "none"):
        return "asgi_loop", "asyncio" if value == "none" else value
    if keyword == "ws_ping_interval":
        # An integer here; 0 would mean no pings.
        return "websocket_ping_interval", max(1, round(value)) if value else 0
    if keyword == "server_header" and value is False:
        return "server_header", ""
    if keyword == "access_log" and value is False:
        return "accesslog", None
    if keyword == "log_level" and isinstance(value, str) and value != "trace":
        return "loglevel", value
    return None
