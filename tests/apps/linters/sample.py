"""A module with two mistakes, which can be found only with the library."""

import concurrent.futures
import json
import os.path
from collections.abc import Mapping

import gunicorn

print(json.dumps([1]), Mapping, os.path.join("a"), concurrent.futures.Future(), gunicorn.__version__)
json.no_such_function()
json.dumps()
