"""The child process of ``rgunicorn inspect --check``, which imports modules.

Their names are JSON on standard input. For each module it writes one line of JSON to
standard output: null if it can be imported, else the last line of the traceback. The
output of the modules is discarded.
"""

import importlib
import json
import os
import sys
import traceback


def main():
    names = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8") as report:
        _be_quiet()
        for name in names:
            report.write(json.dumps(_trouble(name)) + "\n")


def _be_quiet():
    with open(os.devnull, "r+b", buffering=0) as nothing:
        for descriptor in range(3):
            os.dup2(nothing.fileno(), descriptor)


def _trouble(name):
    try:
        importlib.import_module(name)
    except BaseException as error:  # A module may well end the process.
        return traceback.format_exception_only(error)[-1].strip()
    return None
