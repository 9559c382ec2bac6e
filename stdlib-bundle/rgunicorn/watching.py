"""Learning that somebody has changed an object: an attribute, or an item of one
of its lists."""


def watch(thing, lists, tell):
    """From now on `tell` is called after each change of an attribute of `thing`,
    and of what is in the lists that these attributes are."""
    kind = type(thing)
    if not is_watched(thing):

        def __setattr__(self, name, value):
            if name in lists:
                value = Watched(value, tell)
            kind.__setattr__(self, name, value)
            tell()

        own = {"__setattr__": __setattr__, "__module__": kind.__module__, "is_watched": True}
        # With no other base: the class of an object cannot become one with two.
        thing.__class__ = type(kind.__name__, (kind,), own)
    for name in lists:
        setattr(thing, name, getattr(thing, name))


def is_watched(thing):
    return getattr(type(thing), "is_watched", False)


class Watched(list):
    """A list that tells of changes."""

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
