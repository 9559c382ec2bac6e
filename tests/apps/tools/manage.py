"""A whole Django project."""

import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

import app

if not settings.configured:
    settings.configure(DEBUG=True, ROOT_URLCONF="manage", SECRET_KEY="x", ALLOWED_HOSTS=["*"])

urlpatterns = [path("", lambda request: HttpResponse(app.WORD))]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
