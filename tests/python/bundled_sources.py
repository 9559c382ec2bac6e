"""Tools that read the library's source files by name, although they are on no disk."""

import io
import json
import json.decoder
import linecache
import os
import pathlib
import pdb
import subprocess
import sys
import tempfile
import tokenize
import trace
import tracemalloc
import warnings

assert not os.path.exists(json.__file__)

# By name alone, as warnings and tracemalloc do, and with the globals of another module,
# as pdb does.
first = 'r"""JSON (JavaScript Object Notation)'
for module_globals in (None, globals(), vars(sys)):
    linecache.clearcache()
    assert linecache.getline(json.__file__, 1, module_globals).startswith(first)
linecache.checkcache()
assert json.__file__ in linecache.cache
assert linecache.getlines(json.__file__ + "/none.py") == []
assert linecache.getlines(os.path.dirname(json.__file__)) == []

linecache.clearcache()
line = json.dumps.__code__.co_firstlineno
text = warnings.formatwarning("old", UserWarning, json.__file__, line)
assert text.endswith("\n  def dumps(obj, *, skipkeys=False, ensure_ascii=True, check_circular=True,\n"), text

linecache.clearcache()
tracemalloc.start()
kept = json.loads("[" + "[], " * 1000 + "[]]")
[top] = tracemalloc.take_snapshot().filter_traces(
    [tracemalloc.Filter(True, json.decoder.__file__)]
).statistics("lineno")[:1]
tracemalloc.stop()
assert len(top.traceback.format()) == 2, top.traceback.format()

# As files to read.
for path in (json.__file__, pathlib.Path(json.__file__)):
    with tokenize.open(path) as file:
        assert file.encoding == "utf-8" and file.readline().startswith(first)
for path in (json.__file__ + "/none.py", "/nowhere.py", os.path.dirname(json.__file__)):
    try:
        tokenize.open(path)
    except OSError:
        continue
    raise AssertionError(path)
assert trace._find_executable_linenos(json.__file__)


def debugged(*commands):
    """The output of pdb for these commands."""
    said = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("\n".join(commands) + "\n"), stdout=said, nosigint=True)
    debugger.use_rawinput = False
    debugger.run("json.dumps([1])", globals())
    return said.getvalue()


linecache.clearcache()
text = debugged("break json.dumps", "continue", "list", "longlist", "where", "continue")
assert f"Breakpoint 1 at {json.__file__}:" in text, text
assert "def dumps(obj" in text and "return _default_encoder.encode(obj)" in text, text
assert "-> if (not skipkeys and ensure_ascii and" in text, text

code = json.JSONEncoder.encode.__code__
number = next(line for _, _, line in code.co_lines() if line and line > code.co_firstlineno)
for place in (code.co_filename, "json/encoder.py", "json.encoder"):
    linecache.clearcache()
    text = debugged(f"break {place}:{number}", "continue", "continue")
    assert f"at {code.co_filename}:{number}" in text, text
    assert "encode()" in text, text
assert debugged("break no_such_module:3", "continue").startswith("> "), text

# The command-line programs.
with tempfile.TemporaryDirectory() as folder:
    script = os.path.join(folder, "script.py")
    with open(script, "w") as file:
        file.write("import json\njson.dumps([1])\n")

    def run(*words, said=""):
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=folder, input=said, capture_output=True, text=True
        )
        assert done.returncode == 0, done
        return done.stdout + done.stderr

    # Also before the module is imported.
    with open(os.path.join(folder, "splits.py"), "w") as file:
        file.write("import shlex\nshlex.split('a')\n")
    text = run("pdb", "splits.py", said="break shlex.split\ncontinue\nquit\n")
    assert "shlex.py(" in text and ")split()\n-> if s is None:" in text, text

    text = run("trace", "--trace", script)
    assert "encoder.py(" in text and "def encode(self, o):" in text, text[-2000:]
    text = run("trace", "--count", "--missing", "--coverdir", folder, script)
    assert "Not printing coverage data" not in text, text
    with open(os.path.join(folder, "json.encoder.cover")) as file:
        text = file.read()
    assert "    1:     def encode(self, o):" in text and ">>>>>> " in text, text
