"""The values for `access_log_format`."""

import os
import re


class Atoms(dict):
    """The values of a request and its response. Those with a name in them, such as
    `{host}i`, are looked up when they are needed."""

    def __init__(self, resp, req, environ, request_time, now, user):
        self._sources = {
            "i": getattr(req, "headers", req),
            "o": resp.headers,
            "e": environ,
        }
        seconds = request_time.days * 86400 + request_time.seconds
        micros = seconds * 1_000_000 + request_time.microseconds
        sent = getattr(resp, "sent", None)
        line = (environ.get(name) for name in ("REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL"))
        super().__init__(
            h=environ.get("REMOTE_ADDR") or "-",
            l="-",
            u=user or "-",
            t=now,
            r=" ".join(filter(None, line)) or "-",
            s=str(resp.status).partition(" ")[0],
            m=environ.get("REQUEST_METHOD") or "-",
            U=environ.get("PATH_INFO") or "-",
            q=environ.get("QUERY_STRING") or "",
            H=environ.get("SERVER_PROTOCOL") or "-",
            b="-" if sent is None else str(sent),
            B=sent,
            f=environ.get("HTTP_REFERER", "-"),
            a=environ.get("HTTP_USER_AGENT", "-"),
            T=seconds,
            D=micros,
            M=micros // 1000,
            L=f"{seconds}.{request_time.microseconds:06}",
            p=f"<{os.getpid()}>",
            request_id=environ.get("REQUEST_ID") or environ.get("HTTP_X_REQUEST_ID") or "-",
            trace_id=environ.get("rgunicorn.trace_id", "-"),
            span_id=environ.get("rgunicorn.span_id", "-"),
        )

    def __missing__(self, key):
        name, _, kind = key.lower().removeprefix("{").partition("}")
        source = self._sources.get(kind) if key.startswith("{") else None
        if source is not None:
            for known, value in getattr(source, "items", source.__iter__)():
                if known.lower() == name:
                    return value
        raise KeyError(key)


class SafeAtoms(dict):
    """Values that cannot forge a line. An unknown one is a dash, and field names are
    not case-sensitive."""

    def __init__(self, atoms):
        # Nearly always there is nothing to escape; this check of all values is faster.
        if is_safe("".join([value for value in atoms.values() if isinstance(value, str)])):
            super().__init__(atoms)
        else:
            super().__init__((name, safe(value)) for name, value in atoms.items())
        if self.get("u"):
            # It is in the line without quotes.
            self["u"] = self["u"].replace(" ", "\\x20")
        self._atoms = atoms

    def __missing__(self, key):
        if not key.startswith("{"):
            return "-"
        key = key.lower()
        if key in self:
            return self[key]
        try:
            return safe(self._atoms[key])
        except KeyError:
            return "-"


def safe(value):
    """Escapes a value as the server's own access log does."""
    if not isinstance(value, str) or is_safe(value):
        return value
    try:
        octets = value.encode("latin-1")
    except UnicodeEncodeError:
        octets = value.encode("utf-8", "backslashreplace")
    return _UNSAFE.sub(_escape, octets).decode("ascii")


def is_safe(text):
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


_UNSAFE = re.compile(rb'[^ !#-\[\]-~]')


def _escape(found):
    octet = found[0]
    return b"\\" + octet if octet in b'"\\' else b"\\x%02x" % ord(octet)
