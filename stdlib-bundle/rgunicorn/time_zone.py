"""Time zones for the C library on a host that has none; see src/python/time_zone.rs."""

import os

import _rgunicorn_bundle


def provide(tzset):
    """Make the C library find the time zone that TZ names."""
    zone = os.environb.get(b"TZ", b"")
    lacks = _rgunicorn_bundle.time_zone(zone)
    if lacks is None:
        return
    name, value = lacks
    if name == b"TZ":
        # Not in os.environ, where libraries look for the name of the zone.
        os.putenv(name, value)
        return
    os.environb[name] = value
    # The C library may have looked for the zone before. It looks again only after it
    # has used another one.
    os.putenv(b"TZ", b"UTC0")
    tzset()
    os.putenv(b"TZ", zone)
