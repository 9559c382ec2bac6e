"""Compiling modules for a pack.

The compiled modules know a hash of their source and not its time (PEP 552), and
nobody compares it: what is unpacked is what was packed. So that the same sources
always give the same bytes, each process compiles one list, in its order.
"""

import importlib.util
import json
import sys
import warnings

import _frozen_importlib_external as _external


def main():
    """Compile what standard input lists: [source, compiled, name] each, in JSON. Print
    those that are no Python of this version, as [name, why] each."""
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
