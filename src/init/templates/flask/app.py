"""my-site: a page, and whether the site is well."""

import os

from flask import Flask, render_template

app = Flask(__name__)
# Sessions need it.
app.secret_key = os.environ.get("SECRET_KEY")


@app.get("/")
def index():
    return render_template("index.html")


@app.get("/health")
def health():
    return "ok\n"
