"""Uploads, server-sent events and downloads with Flask."""

import hashlib
import os
import time

from flask import Flask, Response, request, send_file

app = Flask(__name__)


@app.get("/")
def welcome():
    return f"Welcome over {request.environ['SERVER_PROTOCOL']}"


@app.post("/upload")
def upload():
    file = request.files["file"].stream
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{file.tell()} {digest}"


@app.get("/events")
def events():
    """The second event comes when the file in the query exists."""
    go = request.args["go"]

    def lines():
        yield "data: one\n\n"
        while not os.path.exists(go):
            time.sleep(0.01)
        yield "data: two\n\n"

    return Response(lines(), mimetype="text/event-stream")


@app.get("/file")
def file():
    return send_file(request.args["path"], mimetype="application/octet-stream")
