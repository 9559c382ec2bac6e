"""Sends requests over HTTP/2 that would become two requests if somebody wrote them out
as HTTP/1.1: smuggle.py HOST:PORT

Prints a line for each: what it is, and the status of the answer, or how it was ended.
After each, an ordinary client must get its own answer.
"""

import json
import socket
import sys

import h2.config
import h2.connection
import h2.events
import h2.exceptions

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"0\r\n\r\n" + HIDDEN
INJECTED = "y\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX: z"

# What it is, pseudo-fields that are changed, further fields, body, trailers.
CASES = [
    ("a body that looks like a request", {}, [], HIDDEN, []),
    ("GET with such a body", {":method": "GET"}, [], HIDDEN, []),
    ("the right length", {}, [("content-length", str(len(HIDDEN)))], HIDDEN, []),
    ("trailers", {}, [], HIDDEN, [("x-sum", "1")]),
    ("expect", {}, [("expect", "100-continue")], HIDDEN, []),
    ("an underscore", {}, [("transfer_encoding", "chunked")], CHUNKED, []),
    ("length zero", {}, [("content-length", "0")], HIDDEN, []),
    ("a length that is too short", {}, [("content-length", "5")], HIDDEN, []),
    ("a length that is too long", {}, [("content-length", "500")], HIDDEN, []),
    ("two lengths", {}, [("content-length", str(len(HIDDEN))), ("content-length", "0")], HIDDEN, []),
    ("a list of lengths", {}, [("content-length", f"{len(HIDDEN)}, 0")], HIDDEN, []),
    ("a length with a sign", {}, [("content-length", f"+{len(HIDDEN)}")], HIDDEN, []),
    ("chunked", {}, [("transfer-encoding", "chunked")], CHUNKED, []),
    ("chunked with a length", {}, [("transfer-encoding", "chunked"), ("content-length", "60")], CHUNKED, []),
    ("chunked in capitals", {}, [("Transfer-Encoding", "chunked")], CHUNKED, []),
    ("chunked behind a space", {}, [(" transfer-encoding", "chunked")], CHUNKED, []),
    ("chunked before a space", {}, [("transfer-encoding ", "chunked")], CHUNKED, []),
    ("chunked in a name", {}, [("x: y\r\ntransfer-encoding", "chunked")], CHUNKED, []),
    ("chunked in a name after a line feed", {}, [("x: y\ntransfer-encoding", "chunked")], CHUNKED, []),
    ("chunked in a value", {}, [("x", "y\r\ntransfer-encoding: chunked")], CHUNKED, []),
    ("chunked in a trailer", {}, [], CHUNKED, [("transfer-encoding", "chunked")]),
    ("a length in a trailer", {}, [], HIDDEN, [("content-length", "0")]),
    ("a pseudo-field in a trailer", {}, [], HIDDEN, [(":path", "/hidden")]),
    ("a request in a value", {}, [("x", INJECTED)], b"", []),
    ("a request in a value after line feeds", {}, [("x", INJECTED.replace("\r", ""))], b"", []),
    ("a request in a value after carriage returns", {}, [("x", INJECTED.replace("\n", ""))], b"", []),
    ("a request in a name", {}, [(INJECTED, "z")], b"", []),
    ("a NUL in a value", {}, [("x", "y\0z")], b"", []),
    ("a request in the path", {":path": "/shown HTTP/1.1\r\nHost: a\r\n\r\nGET /hidden"}, [], b"", []),
    ("a version in the path", {":path": "/hidden HTTP/1.1"}, [], b"", []),
    ("a tab in the path", {":path": "/hidden\tHTTP/1.1"}, [], b"", []),
    ("no slash before the path", {":path": "hidden"}, [], b"", []),
    ("no path", {":path": ""}, [], b"", []),
    ("a request in the method", {":method": "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\nGET"}, [], b"", []),
    ("a target in the method", {":method": "GET /hidden"}, [], b"", []),
    ("a request in the authority", {":authority": "a\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a"}, [], b"", []),
    ("a path in the authority", {":authority": "a/hidden?"}, [], b"", []),
    ("a user in the authority", {":authority": "u@a"}, [], b"", []),
    ("a request in the scheme", {":scheme": "http://a/hidden HTTP/1.1\r\nHost: a\r\n\r\nGET /"}, [], b"", []),
    ("another host", {}, [("host", "b")], b"", []),
    ("two hosts", {}, [("host", "a"), ("host", "b")], b"", []),
    ("connection", {}, [("connection", "close")], b"", []),
    ("connection that names a field", {}, [("connection", "content-length")], HIDDEN, []),
    ("keep-alive", {}, [("keep-alive", "timeout=5")], b"", []),
    ("proxy-connection", {}, [("proxy-connection", "close")], b"", []),
    ("upgrade", {}, [("upgrade", "websocket")], b"", []),
    ("te", {}, [("te", "chunked")], b"", []),
    ("a pseudo-field after fields", {}, [("x", "y"), (":path", "/hidden")], b"", []),
    ("a pseudo-field twice", {}, [(":path", "/hidden")], b"", []),
    ("an unknown pseudo-field", {}, [(":x", "y")], b"", []),
    ("a status", {}, [(":status", "200")], b"", []),
]


def ask(address, pseudo, fields, body, trailers):
    """The status and the body of the answer; for the status also how the stream was
    ended without one."""
    config = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="utf-8"
    )
    state = h2.connection.H2Connection(config)
    state.initiate_connection()
    first = {":method": "POST", ":scheme": "http", ":authority": "a", ":path": "/shown", **pseudo}
    state.send_headers(1, [*first.items(), *fields], end_stream=not (body or trailers))
    if body:
        state.send_data(1, body, end_stream=not trailers)
    if trailers:
        state.send_headers(1, trailers, end_stream=True)
    status, answer = "closed", b""
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(state.data_to_send())
        while True:
            try:
                received = client.recv(65536)
            except ConnectionResetError:
                return status, answer
            if not received:
                return status, answer
            for event in state.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[":status"]
                elif isinstance(event, h2.events.DataReceived):
                    answer += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    return status, answer
                elif isinstance(event, h2.events.StreamReset):
                    return status if status != "closed" else "reset", answer
            client.sendall(state.data_to_send())


def main():
    host, _, port = sys.argv[1].rpartition(":")
    address = host, int(port)
    for number, (name, *case) in enumerate(CASES):
        print(f"{name}: {ask(address, *case)[0]}")
        own = f"/own{number}"
        status, body = ask(address, {":method": "GET", ":path": own}, [], b"", [])
        assert status == "200" and json.loads(body)["target"] == own, (name, status, body)


main()
