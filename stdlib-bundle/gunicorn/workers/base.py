"""The base class of all workers, for Python code."""

from _rgunicorn import absent, worker


class Worker(worker.Worker):
    """The class of `worker`, and the base of other classes."""


__getattr__ = absent.elsewhere(
    __name__,
    {
        "gunicorn.http.errors": """
            ChunkMissingTerminator ConfigurationProblem ExpectationFailed ForbiddenProxyRequest
            InvalidChunkExtension InvalidChunkSize InvalidH2CPreface InvalidHTTPVersion
            InvalidHeader InvalidHeaderName InvalidProxyLine InvalidRequestLine
            InvalidRequestMethod InvalidResponseHeader InvalidResponseHeaderName
            InvalidSchemeHeaders LimitRequestHeaders LimitRequestLine ObsoleteFolding
            UnsupportedTransferCoding
        """,
        "gunicorn.http.wsgi": "Response default_environ",
        "gunicorn.reloader": "reloader_engines",
        "gunicorn.workers.workertmp": "WorkerTmp",
    },
)
