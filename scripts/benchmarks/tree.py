"""A process and all its descendants."""

import pathlib


def pids(root):
    """The pids of the process and its descendants."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(rest[1], []).append(pid)
    tree, queue = [], [str(root)]
    while queue:
        pid = queue.pop()
        tree.append(pid)
        queue += parents.get(pid, [])
    return tree


def cpu(pids):
    """Seconds of user and system time of all threads."""
    total = 0
    for pid in pids:
        for task in pathlib.Path("/proc", pid, "task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9
