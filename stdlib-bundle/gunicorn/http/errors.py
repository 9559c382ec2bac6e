"""What can be wrong with a request, by Gunicorn's names."""


class ParseException(Exception):
    pass


class NoMoreData(IOError):
    pass


class ConfigurationProblem(ParseException):
    pass


class InvalidRequestLine(ParseException):
    pass


class InvalidRequestMethod(ParseException):
    pass


class InvalidHTTPVersion(ParseException):
    pass


class InvalidHeader(ParseException):
    pass


class InvalidHeaderName(ParseException):
    pass


class InvalidChunkSize(IOError):
    pass


class ChunkMissingTerminator(IOError):
    pass


class LimitRequestLine(ParseException):
    pass


class LimitRequestHeaders(ParseException):
    pass


class InvalidProxyLine(ParseException):
    pass


class ForbiddenProxyRequest(ParseException):
    pass


class InvalidSchemeHeaders(ParseException):
    pass
