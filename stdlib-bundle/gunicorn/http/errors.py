"""Errors in requests and responses, with Gunicorn's names."""


class ParseException(Exception):
    """With `form`, the text of the error is made from its first argument, which is also
    the attribute `field`. `code` is the status of the response."""

    form = field = code = None

    def __init_subclass__(cls, form=None, field=None, code=None):
        cls.form, cls.field = form or cls.form, field or cls.field
        cls.code = code or cls.code

    def __init__(self, *args):
        super().__init__(*args)
        if self.field is not None:
            (value,) = args
            setattr(self, self.field, value)

    def __str__(self):
        if self.field is None:
            return self.form or super().__str__()
        return self.form % (getattr(self, self.field),)


class NoMoreData(IOError):
    def __init__(self, buf=None):
        self.buf = buf

    def __str__(self):
        return f"No more data after: {self.buf!r}"


class ConfigurationProblem(
    ParseException, form="Configuration problem: %s", field="info", code=500
):
    pass


class InvalidRequestLine(
    ParseException, form="Invalid HTTP request line: %r", field="req", code=400
):
    pass


class InvalidRequestMethod(ParseException, form="Invalid HTTP method: %r", field="method"):
    pass


class ExpectationFailed(
    ParseException, form="Unable to comply with expectation: %r", field="expect"
):
    pass


class InvalidHTTPVersion(ParseException, form="Invalid HTTP Version: %r", field="version"):
    pass


class InvalidHeader(ParseException, form="Invalid HTTP Header: %r", field="hdr"):
    def __init__(self, hdr, req=None):
        super().__init__(hdr)
        self.req = req


class ObsoleteFolding(
    ParseException, form="Obsolete line folding is unacceptable: %r", field="hdr"
):
    pass


class InvalidHeaderName(ParseException, form="Invalid HTTP header name: %r", field="hdr"):
    pass


class InvalidResponseHeader(InvalidHeader, form="Invalid response header from the application: %s"):
    pass


class InvalidResponseHeaderName(
    InvalidHeaderName, form="Invalid response header name from the application: %s"
):
    pass


class UnsupportedTransferCoding(
    ParseException, form="Unsupported transfer coding: %r", field="hdr", code=501
):
    pass


class InvalidChunkSize(ParseException, form="Invalid chunk size: %r", field="data", code=400):
    pass


class ChunkMissingTerminator(
    ParseException, form="Invalid chunk terminator is not '\\r\\n': %r", field="term", code=400
):
    pass


class InvalidChunkExtension(
    ParseException, form="Invalid chunk extension: %s", field="reason", code=400
):
    pass


class LimitRequestLine(ParseException):
    def __init__(self, size, max_size=None):
        super().__init__(size, max_size)
        self.size = size
        self.max_size = max_size

    def __str__(self):
        if self.max_size is None:
            return str(self.size)
        return f"Request Line is too large ({self.size} > {self.max_size})"


class LimitRequestHeaders(ParseException, form="%s", field="msg"):
    pass


class InvalidProxyLine(ParseException, form="Invalid PROXY line: %r", field="line", code=400):
    pass


class InvalidProxyHeader(ParseException, form="Invalid PROXY header: %s", field="msg", code=400):
    pass


class ForbiddenProxyRequest(
    ParseException, form="Proxy request from %r not allowed", field="host", code=403
):
    pass


class InvalidSchemeHeaders(ParseException, form="Contradictory scheme headers"):
    pass


class InvalidH2CPreface(
    ParseException, form="Expected HTTP/2 connection preface, got %r", field="data"
):
    pass
