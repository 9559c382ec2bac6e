"""Errors in a request of the uWSGI protocol."""


class UWSGIParseException(Exception):
    pass


class InvalidUWSGIHeader(UWSGIParseException):
    code = 400

    def __init__(self, msg=""):
        self.msg = msg

    def __str__(self):
        return f"Invalid uWSGI header: {self.msg}"


class UnsupportedModifier(UWSGIParseException):
    code = 501

    def __init__(self, modifier):
        self.modifier = modifier

    def __str__(self):
        return f"Unsupported uWSGI modifier1: {self.modifier}"


class ForbiddenUWSGIRequest(UWSGIParseException):
    code = 403

    def __init__(self, host):
        self.host = host

    def __str__(self):
        return f"uWSGI request from {self.host!r} not allowed"
