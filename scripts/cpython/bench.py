"""Compares builds of CPython that run Python as a web site does.

    python bench.py [--rounds N] [--packages DIR] [--results FILE] PYTHON...

Each PYTHON is a command (`"./rgunicorn python"`) or a folder that scripts/cpython/build
made. They take turns, so that changes of the machine's speed affect all. The medians
are printed, and the ratio of each to the first. DIR has Flask and Django for the
benchmarks that need them. `--results FILE` also writes the medians as JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path


def template():
    """A page with 100 rows, in a small template language of our own."""
    parts = ["<tr><td>", ("name",), "</td><td>", ("price",), "</td><td>", ("tags",), "</td></tr>"]
    rows = [{"name": f"<item {i}>", "price": i * 1.25, "tags": ["a", "b & c"]} for i in range(100)]

    def escape(value):
        text = value if isinstance(value, str) else str(value)
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def render():
        out = []
        for row in rows:
            for part in parts:
                if isinstance(part, str):
                    out.append(part)
                else:
                    value = row[part[0]]
                    out.append(", ".join(map(escape, value)) if isinstance(value, list) else escape(value))
        return "".join(out)

    return render


def json_both_ways():
    """Write and read a document of 200 records."""
    records = [
        {"id": i, "name": f"user {i}", "é": "ü" * 5, "on": i % 2 == 0, "at": [i / 3, None]}
        for i in range(200)
    ]
    return lambda: json.loads(json.dumps(records))


def dictionaries():
    """Count, group and sort words."""
    words = ("the quick brown fox jumps over the lazy dog " * 60).split()

    def work():
        counts, groups = {}, {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
            groups.setdefault(len(word), []).append(word)
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])), groups

    return work


def strings():
    """Split and join header lines and query strings."""
    lines = [f"X-Header-{i}: value {i}; charset=utf-8\r\n" for i in range(100)]
    query = "&".join(f"key{i}={i}%20x" for i in range(50))

    def work():
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers["HTTP_" + name.strip().upper().replace("-", "_")] = value.strip().split(";")[0]
        pairs = [pair.split("=", 1) for pair in query.split("&")]
        return headers, "&".join(f"{k}={v.replace('%20', ' ')!s}" for k, v in pairs).encode()

    return work


def objects():
    """Classes, properties, exceptions and generators."""

    class Field:
        def __init__(self, name):
            self.name = name

        def __get__(self, owner, kind):
            return owner.values[self.name]

    class Model:
        title, body = Field("title"), Field("body")

        def __init__(self, **values):
            self.values = values

        @property
        def slug(self):
            try:
                return self.values["slug"]
            except KeyError:
                return self.title.lower()

    def items():
        for i in range(300):
            yield Model(title=f"Title {i}", body="text")

    return lambda: [(item.slug, len(item.body)) for item in items()]


def environ(path):
    from wsgiref.util import setup_testing_defaults

    made = {"PATH_INFO": path, "QUERY_STRING": "q=1&page=2", "HTTP_COOKIE": "a=b; c=d"}
    setup_testing_defaults(made)
    return made


def through(app, path):
    """One request in this process, to the WSGI callable."""

    def request():
        body = app(environ(path), lambda status, headers, exc_info=None: None)
        data = b"".join(body)
        getattr(body, "close", lambda: None)()
        assert b"item 49" in data
        return data

    return request


PAGE = "<ul>{% for item in items %}<li>{{ item.name }}: {{ item.price }}</li>{% endfor %}</ul>"


def flask():
    """A Flask page with a Jinja template."""
    from flask import Flask, render_template_string, request

    app = Flask("bench")

    @app.route("/shop/<name>")
    def shop(name):
        items = [{"name": f"item {i}", "price": i} for i in range(50)]
        return render_template_string(PAGE, items=items, page=request.args.get("page"))

    return through(app, "/shop/books")


def django():
    """A Django page with its own template language."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.template import engines
    from django.urls import path

    engine = {"BACKEND": "django.template.backends.django.DjangoTemplates"}
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", TEMPLATES=[engine],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    )
    django.setup()
    template = engines["django"].from_string(PAGE)

    def shop(request, name):
        items = [{"name": f"item {i}", "price": i} for i in range(50)]
        return HttpResponse(template.render({"items": items}, request))

    globals()["urlpatterns"] = [path("shop/<name>", shop)]
    return through(get_wsgi_application(), "/shop/books")


BENCHMARKS = [template, json_both_ways, dictionaries, strings, objects, flask, django]


def seconds_each(work, budget=0.3):
    """The best of a few runs. A run has so many calls that the clock is precise
    enough."""
    calls, best = 1, None
    while True:
        start = time.process_time()
        for _ in range(calls):
            work()
        took = time.process_time() - start
        if took > budget / 6:
            break
        calls *= 2
    for _ in range(6):
        start = time.process_time()
        for _ in range(calls):
            work()
        took = (time.process_time() - start) / calls
        best = took if best is None else min(best, took)
    return best


def measure():
    """Runs all benchmarks in the measured interpreter, and prints JSON."""
    times = {}
    for benchmark in BENCHMARKS:
        try:
            work = benchmark()
        except ImportError:
            continue
        times[benchmark.__name__] = seconds_each(work)
    print(json.dumps(times))


def one_round(command, packages):
    environment = dict(os.environ, PYTHONHASHSEED="0")
    words = command.split()
    if Path(command).is_dir():
        words = [str(Path(command, "python"))]
        environment["PYTHONHOME"] = command
    start = f"import sys; sys.path[:0] = {packages}; sys.argv = ['bench']; " \
            f"sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench; bench.measure()"
    done = subprocess.run([*words, "-c", start], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr or f"{command} ended with {done.returncode}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--packages", action="append", default=[])
    parser.add_argument("--results", type=Path)
    parser.add_argument("pythons", nargs="+")
    asked = parser.parse_args()
    results = {python: [] for python in asked.pythons}
    for _ in range(asked.rounds):
        for python in asked.pythons:
            results[python].append(one_round(python, asked.packages))
    medians = {
        python: {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}
        for python, rounds in results.items()
    }
    if asked.results:
        asked.results.write_text(json.dumps(medians, indent=1))
    first = medians[asked.pythons[0]]
    for python, times in medians.items():
        print(python)
        ratios = []
        for name, median in times.items():
            ratios.append(median / first[name])
            print(f"  {name:16} {median * 1e6:9.1f} us  {ratios[-1]:6.3f}")
        print(f"  {'geometric mean':16} {'':12}  {statistics.geometric_mean(ratios):6.3f}")


if __name__ == "__main__":
    main()
