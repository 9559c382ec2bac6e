"""The settings."""

from _rgunicorn.settings import Config as _Config, Setting
from _rgunicorn.defaults import SETTINGS

KNOWN_SETTINGS = list(SETTINGS)


class Config(_Config):
    """Every setting with its default; `set` changes it."""

    def __init__(self, usage=None, prog=None):
        values = {name: value for name, (value, _) in SETTINGS.items()}
        sections = {name: section for name, (_, section) in SETTINGS.items()}
        super().__init__(values, sections)
        self.usage = usage
        self.prog = prog or "rgunicorn"


def make_settings(ignore=None):
    settings = Config().settings
    return {name: one for name, one in settings.items() if name not in (ignore or ())}


__all__ = ["Config", "KNOWN_SETTINGS", "Setting", "make_settings"]
