"""The setting `spew`: prints every line of Python that is run, in all threads."""

import linecache
import sys

# linecache imports it when it reads its first file, which must not happen during this
# import.
import tokenize  # noqa: F401

TOOL = 4  # sys.monitoring's tools 0 to 5; 3 and 4 are nobody's

# Not printed: the standard library, and the code that imports it.
OURS = (sys.base_prefix + "/", "<frozen ")


def start():
    monitoring = sys.monitoring
    monitoring.use_tool_id(TOOL, "spew")
    monitoring.register_callback(TOOL, monitoring.events.LINE, spew)
    monitoring.set_events(TOOL, monitoring.events.LINE)


def spew(code, number):
    if code.co_filename.startswith(OURS):
        return sys.monitoring.DISABLE
    line = linecache.getline(code.co_filename, number).rstrip()
    # In one piece and without buffering: the next line may be the one that hangs.
    sys.stdout.write(f"{code.co_filename}:{number}: {line}\n")
    sys.stdout.flush()
    return None
