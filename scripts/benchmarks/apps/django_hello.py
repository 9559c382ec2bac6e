"""A Django site in one file, with the middleware of a new project."""

import new_project
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(**new_project.SETTINGS, ROOT_URLCONF=__name__)


def hello(request):
    return HttpResponse("Hello, world!\n", content_type="text/plain")


urlpatterns = [path("", hello)]
app = get_wsgi_application()
asgi_app = get_asgi_application()
