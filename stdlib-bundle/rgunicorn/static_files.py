"""Collects Django's static files for a pack, in a copy of the project."""

import json
import os
import sys


def main():
    """Collect them into STATIC_ROOT. The first argument names the settings. Print JSON:
    the folder relative to the current one, or the reason why there is none."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", sys.argv[1])
    here = os.path.realpath(os.getcwd())
    sys.path.insert(0, here)
    # The output of the project is not the answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    json.dump(_gather(here), answer)
    answer.flush()


def _gather(here):
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return {"why": "django.contrib.staticfiles is not among INSTALLED_APPS"}
    if not settings.STATIC_ROOT:
        return {"why": "STATIC_ROOT is not set"}
    folder = os.path.relpath(os.path.realpath(settings.STATIC_ROOT), here)
    if folder == "." or folder.split(os.sep)[0] == "..":
        return {"why": f"STATIC_ROOT is {settings.STATIC_ROOT}, which is not below the project"}
    call_command("collectstatic", interactive=False, verbosity=0)
    return {"folder": folder.replace(os.sep, "/")}
