"""A small Flask site: inherited templates, static files, forms, a session."""

import hashlib
from importlib.metadata import entry_points, version
from pathlib import Path

from flask import Flask, jsonify, redirect, render_template, request, send_file, session, url_for


def create_app():
    app = Flask(__name__)
    app.secret_key = "only for tests"

    @app.get("/")
    def index():
        return render_template("index.html", name=session.get("name"))

    @app.post("/name")
    def name():
        session["name"] = request.form["name"]
        return redirect(url_for("index"))

    @app.post("/upload")
    def upload():
        file = request.files["file"]
        return f"{file.filename} {hashlib.file_digest(file, 'sha256').hexdigest()}"

    @app.get("/file")
    def file():
        return send_file(request.args["path"], mimetype="application/octet-stream")

    @app.get("/about")
    def about():
        """What a package can find out about itself and other packages."""
        commands = entry_points(group="console_scripts")
        return jsonify(
            flask=version("flask"),
            command=commands["flask"].value,
            neighbours=sorted(path.name for path in Path(__file__).parent.iterdir()),
        )

    return app
