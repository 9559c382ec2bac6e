"""Uses jedi to find a function of the library and its completions."""

import jedi

CODE = "import json\njson.dumps\nfrom argparse import ArgumentParser\nArgumentParser().add_arg"
script = jedi.Script(CODE, path="nowhere.py")
[found] = script.goto(2, 6)
print(found.module_path, found.line, *(found.name for found in script.complete(4, 24)))
