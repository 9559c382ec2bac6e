"""The pages of the site, and two that wait for the database."""

from django.db import connection
from django.http import HttpResponse
from django.urls import include, path


def wait(request):
    """Waits until nobody else holds the lock with this number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(7)")
    return HttpResponse("waited")


def waiting(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return HttpResponse(str(cursor.fetchone()[0]))


urlpatterns = [path("wait", wait), path("waiting", waiting), path("", include("mysite.urls"))]
