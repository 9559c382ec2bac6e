"""The config file of a server that a script has become; see `embedded`."""

import json
import os
import runpy
import sys

from _rgunicorn import embedded


def _run_script():
    # The processes that the app starts are none of this server.
    told = json.loads(os.environ.pop(embedded.VARIABLE))
    sys.path[:] = told["path"] + [entry for entry in sys.path if entry not in told["path"]]
    sys.argv[:] = told["argv"]
    embedded.serving = True
    try:
        if told["module"]:
            runpy.run_module(told["module"], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(told["script"], run_name="__main__")
    except embedded.Captured:
        settings = embedded.captured.cfg.settings.values()
        return {one.name: one.value for one in settings if one.is_set}
    raise RuntimeError(f"{told['script']} has not called run()")


globals().update(_run_script())
