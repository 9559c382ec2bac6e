"""ASGI, which the server itself implements."""

from _rgunicorn import absent

absent.package(
    __name__,
    "the server speaks ASGI itself, and not in Python",
    """
    lifespan: LifespanManager LifespanStartupFailed!
    parser: CallbackRequest PPCommand PPFamily PPProtocol PythonProtocol ParseError!
        InvalidProxyLine! InvalidProxyHeader! LimitRequestLine! LimitRequestHeaders!
        InvalidRequestLine! InvalidRequestMethod! InvalidHTTPVersion! InvalidHeaderName!
        InvalidHeader! UnsupportedTransferCoding! InvalidChunkSize! InvalidChunkExtension!
        ChunkMissingTerminator! MAX_UNLIMITED_REQUEST_LINE=1048576 DEFAULT_MAX_FIELD_LINE=8190
        DEFAULT_MAX_FIELDS=32768
    protocol: ASGIProtocol ASGIResponseInfo BodyReceiver FlowControl ClientDisconnected!
        secure_scheme_names HIGH_WATER_LIMIT=65536
    unreader: AsyncUnreader
    uwsgi: AsyncUWSGIRequest
    websocket: WebSocketProtocol WebSocketDisconnected! OPCODE_CONTINUATION=0 OPCODE_TEXT=1
        OPCODE_BINARY=2 OPCODE_CLOSE=8 OPCODE_PING=9 OPCODE_PONG=10 CLOSE_NORMAL=1000
        CLOSE_GOING_AWAY=1001 CLOSE_PROTOCOL_ERROR=1002 CLOSE_UNSUPPORTED=1003
        CLOSE_NO_STATUS=1005 CLOSE_ABNORMAL=1006 CLOSE_INVALID_DATA=1007
        CLOSE_POLICY_VIOLATION=1008 CLOSE_MESSAGE_TOO_BIG=1009 CLOSE_MANDATORY_EXT=1010
        CLOSE_INTERNAL_ERROR=1011 MAX_CONTROL_PAYLOAD=125 KNOWN_OPCODES={0,1,2,8,9,10}
        DEFAULT_MAX_MESSAGE_SIZE=16777216 READ_BUFFER_HIGH_WATER=65536
        RECEIVE_QUEUE_HIGH_WATER=32 WS_GUID=b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
    """,
)

from gunicorn.asgi.lifespan import LifespanManager
from gunicorn.asgi.unreader import AsyncUnreader

__all__ = ["AsyncUnreader", "LifespanManager"]
