"""Errors of HTTP/2 (RFC 9113 section 7)."""


class HTTP2ErrorCode:
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class HTTP2Error(Exception):
    error_code = HTTP2ErrorCode.NO_ERROR
    usual = "HTTP/2 error."

    def __init_subclass__(cls, code=None, usual=None):
        cls.error_code = cls.error_code if code is None else code
        cls.usual = usual or cls.usual

    def __init__(self, message=None, error_code=None):
        self.message = message or self.usual
        if error_code is not None:
            self.error_code = error_code
        super().__init__(self.message)


class HTTP2ProtocolError(HTTP2Error, code=HTTP2ErrorCode.PROTOCOL_ERROR):
    pass


class HTTP2InternalError(HTTP2Error, code=HTTP2ErrorCode.INTERNAL_ERROR):
    pass


class HTTP2FlowControlError(HTTP2Error, code=HTTP2ErrorCode.FLOW_CONTROL_ERROR):
    pass


class HTTP2SettingsTimeout(HTTP2Error, code=HTTP2ErrorCode.SETTINGS_TIMEOUT):
    pass


class HTTP2StreamClosed(HTTP2Error, code=HTTP2ErrorCode.STREAM_CLOSED):
    pass


class HTTP2FrameSizeError(HTTP2Error, code=HTTP2ErrorCode.FRAME_SIZE_ERROR):
    pass


class HTTP2RefusedStream(HTTP2Error, code=HTTP2ErrorCode.REFUSED_STREAM):
    pass


class HTTP2Cancel(HTTP2Error, code=HTTP2ErrorCode.CANCEL):
    pass


class HTTP2CompressionError(HTTP2Error, code=HTTP2ErrorCode.COMPRESSION_ERROR):
    pass


class HTTP2ConnectError(HTTP2Error, code=HTTP2ErrorCode.CONNECT_ERROR):
    pass


class HTTP2EnhanceYourCalm(HTTP2Error, code=HTTP2ErrorCode.ENHANCE_YOUR_CALM):
    pass


class HTTP2InadequateSecurity(HTTP2Error, code=HTTP2ErrorCode.INADEQUATE_SECURITY):
    pass


class HTTP2RequiresHTTP11(HTTP2Error, code=HTTP2ErrorCode.HTTP_1_1_REQUIRED):
    pass


class HTTP2StreamError(HTTP2Error):
    def __init__(self, stream_id, message=None, error_code=None):
        self.stream_id = stream_id
        super().__init__(message, error_code)

    def __str__(self):
        return f"Stream {self.stream_id}: {self.message}"


class HTTP2ConnectionError(HTTP2Error):
    pass


class HTTP2ConfigurationError(HTTP2Error):
    pass


class HTTP2NotAvailable(HTTP2Error, usual="HTTP/2 is not spoken in Python here."):
    pass
