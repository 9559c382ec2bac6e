"""The site's pages, and two about waiting for the database."""

from django.db import connection
from django.http import HttpResponse
from django.urls import include, path


def wait(request):
    """Until nobody else holds the lock with this number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(7)")
    return HttpResponse("waited")


def waiting(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return HttpResponse(str(cursor.fetchone()[0]))


urlpatterns = [path("wait", wait), path("waiting", waiting), path("", include("mysite.urls"))]
