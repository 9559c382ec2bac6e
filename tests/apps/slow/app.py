"""Apps whose page `/slow` spends its time in the function `slow`, and `/fast` in none."""


def slow():
    # Work, and not a time: on a busy machine everything else takes longer, too.
    for _ in range(300_000):
        pass


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        slow()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


async def asgi(scope, receive, send):
    if scope["path"] == "/slow":
        slow()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"done"})


def django():
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    def page(request):
        slow()
        return HttpResponse("done")

    def fast(request):
        return HttpResponse("done")

    urls = type("urls", (), {"urlpatterns": [path("slow", page), path("fast", fast)]})
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, SECRET_KEY="x")
    return get_wsgi_application()
