"""Compiles modules for a pack.

The compiled modules have a hash of their source instead of its time (PEP 552), and
nobody checks it: what is unpacked is what was packed. Each process compiles one list in
order, so that the same sources always give the same bytes.
"""

import importlib.util
import json
import sys
import warnings

import _frozen_importlib_external as _external


def main():
    """Compile the modules that standard input lists in JSON, each as [source, compiled,
    name]. Print those that are not Python of this version, each as [name, why]."""
    warnings.simplefilter("ignore")
    failed = []
    for source, compiled, name in json.load(sys.stdin):
        with open(source, "rb") as file:
            text = file.read()
        try:
            code = compile(text, name, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            failed.append([name, str(error)])
            continue
        digest = importlib.util.source_hash(text)
        with open(compiled, "wb") as file:
            file.write(_external._code_to_hash_pyc(code, digest, False))
    json.dump(failed, sys.stdout)
