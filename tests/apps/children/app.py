"""Starts its own interpreter again, in every way that programs use.

`GET /` answers with a line for each way: its name and the result. Every child imports
`dep`, which is only among the app's own packages.
"""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import zipapp
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

SOURCE = "import dep; print(dep.double(21))"


def run(*words, executable=None, **more):
    done = subprocess.run(
        [executable or sys.executable, *words], capture_output=True, text=True, timeout=60, **more
    )
    last = (done.stdout or done.stderr).strip().split("\n")[-1]
    return f"{done.returncode} {last}"


def by_words():
    yield "code", run("-c", SOURCE)
    yield "no code", run("-c", "")
    yield "wrong code", run("-c", "1/0")
    yield "module", run("-m", "dep")
    yield "option", run("--check-hash-based-pycs", "never", "-c", SOURCE)
    yield "version", run("--version")
    yield "input", run(input=SOURCE)
    yield "dash", run("-", input=SOURCE)
    yield "name", run("-c", SOURCE, executable=os.path.normpath(sys.executable))
    line = [sys.executable, *sys.orig_argv[1:], "--version"]
    yield "again", run(*line[1:]).split()[1]


def by_files():
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "tool")
        script.write_text(SOURCE)
        yield "script", run(str(script))
        package = Path(folder, "package")
        package.mkdir()
        Path(package, "__main__.py").write_text(SOURCE)
        yield "folder", run(str(package))
        archive = Path(folder, "archive.pyz")
        zipapp.create_archive(package, archive)
        yield "archive", run(str(archive))
        script.write_text(f"#!{sys.executable}\n{SOURCE}")
        script.chmod(0o755)
        yield "shebang", run(executable=str(script))


def by_pools():
    import dep

    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            yield f"pool by {method}", f"0 {pool.map(dep.double, [21])[0]}"
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            yield f"futures by {method}", f"0 {pool.submit(dep.double, 21).result()}"


# By the path of the request: some roots have no place for files or for semaphores.
WAYS = {"/": (by_words, by_files, by_pools), "/words": (by_words,), "/pid": ()}


def report(path):
    lines = [f"executable: {sys.executable}"] if WAYS[path] else [str(os.getpid())]
    for way in WAYS[path]:
        lines += (f"{name}: {outcome}" for name, outcome in way())
    return "\n".join(lines).encode()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [report(environ["PATH_INFO"])]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        body = await asyncio.to_thread(report, scope["path"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body})
