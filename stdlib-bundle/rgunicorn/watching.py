"""Notices changes of an object: of an attribute, or of an item in one of its lists."""


def watch(thing, lists, tell):
    """From now on `tell` is called after each change of an attribute of `thing`, and of
    the lists in these attributes."""
    kind = type(thing)
    if not is_watched(thing):

        def __setattr__(self, name, value):
            if name in lists:
                value = Watched(value, tell)
            kind.__setattr__(self, name, value)
            tell()

        own = {"__setattr__": __setattr__, "__module__": kind.__module__, "is_watched": True}
        # With this base only: the class of an object cannot be changed to one with two
        # bases.
        thing.__class__ = type(kind.__name__, (kind,), own)
    for name in lists:
        setattr(thing, name, getattr(thing, name))


def is_watched(thing):
    return getattr(type(thing), "is_watched", False)


class Watched(list):
    """A list that reports changes."""

    def __init__(self, items, tell):
        super().__init__(items)
        self._tell = tell

    def __reduce_ex__(self, protocol):
        return list, (list(self),)


def _telling(change):
    def changes(self, *arguments, **named):
        result = change(self, *arguments, **named)
        self._tell()
        return result

    return changes


for _name in (
    "__delitem__",
    "__iadd__",
    "__setitem__",
    "append",
    "clear",
    "extend",
    "insert",
    "pop",
    "remove",
):
    setattr(Watched, _name, _telling(getattr(list, _name)))
