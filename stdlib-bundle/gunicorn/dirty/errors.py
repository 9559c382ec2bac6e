"""Errors of dirty workers, for `except`. There are no such workers here."""


class DirtyError(Exception):
    def __init__(self, message, details=None):
        super().__init__(message)
        self.message = message
        self.details = details or {}

    def __init_subclass__(cls):
        _KINDS[cls.__name__] = cls

    def __str__(self):
        return f"{self.message}: {self.details}" if self.details else str(self.message)

    def to_dict(self):
        return {
            "error_type": type(self).__name__,
            "message": self.message,
            "details": self.details,
        }

    @classmethod
    def from_dict(cls, data):
        kind = _KINDS.get(data.get("error_type"), DirtyError)
        error = kind.__new__(kind)
        DirtyError.__init__(error, data.get("message", "Unknown error"), data.get("details"))
        vars(error).update(error.details)
        return error

    def _tell(self, message, **details):
        """As `__init__`, with attributes that are also in the details if they are
        given."""
        given = {name: value for name, value in details.items() if value is not None}
        DirtyError.__init__(self, message, given)
        vars(self).update(details)


_KINDS = {"DirtyError": DirtyError}


class DirtyTimeoutError(DirtyError):
    def __init__(self, message="Operation timed out", timeout=None):
        self._tell(message, timeout=timeout)


class DirtyConnectionError(DirtyError):
    def __init__(self, message="Connection failed", socket_path=None):
        self._tell(message, socket_path=socket_path)


class DirtyWorkerError(DirtyError):
    def __init__(self, message, worker_id=None, traceback=None):
        self._tell(message, worker_id=worker_id, traceback=traceback)


class DirtyAppError(DirtyError):
    def __init__(self, message, app_path=None, action=None, traceback=None):
        self._tell(message, app_path=app_path, action=action, traceback=traceback)


class DirtyAppNotFoundError(DirtyAppError):
    def __init__(self, app_path):
        super().__init__(f"Dirty app not found: {app_path}", app_path=app_path)


class DirtyNoWorkersAvailableError(DirtyError):
    def __init__(self, app_path, message=None):
        self._tell(message or f"No workers available for app: {app_path}", app_path=app_path)


class DirtyProtocolError(DirtyError):
    def __init__(self, message="Protocol error", raw_data=None):
        if isinstance(raw_data, bytes):
            raw_data = raw_data[:100].hex()
        self._tell(message, raw_data=None if raw_data is None else str(raw_data)[:200])
