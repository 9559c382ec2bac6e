"""The argument is JSON: a `file` of this `project`, its `extras` and `groups`. The
answer is JSON, too:

- `lines`: requirements, with hashes if they are locked
- `unhashed`: locked requirements without a hash, such as folders and commits
- `locked`: whether this is everything, so that pip need not look for dependencies

or `error`, a sentence.
"""

import json
import sys
from pathlib import Path

from pip._vendor.packaging.utils import canonicalize_name

from . import pipenv, poetry, project, pylock, uv
from .wanted import Refusal, Wanted

READERS = {
    "pyproject.toml": project.read,
    "uv.lock": uv.read,
    "poetry.lock": poetry.read,
    "Pipfile.lock": pipenv.read,
}


def main(words):
    asked = json.loads(words)
    file = Path(asked["file"])
    extras, groups = (set(map(canonicalize_name, asked[kind])) for kind in ("extras", "groups"))
    wanted = Wanted(file, Path(asked["project"]))
    try:
        READERS.get(file.name, pylock.read)(wanted, extras, groups)
        answer = wanted.answer()
    except Refusal as refusal:
        answer = {"error": str(refusal)}
    except (ValueError, OSError) as error:
        answer = {"error": f"{file} cannot be read: {error}"}
    except (KeyError, TypeError, AttributeError) as error:
        answer = {"error": f"{file} is not what its name says ({type(error).__name__}: {error})"}
    json.dump(answer, sys.stdout)


main(*sys.argv[1:])
