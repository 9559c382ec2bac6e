"""my-site: a page, and whether the site is well."""


def app(environ, start_response):
    pages = {"/": "Hello from my-site!\n", "/health": "ok\n"}
    page = pages.get(environ["PATH_INFO"])
    status = "404 Not Found" if page is None else "200 OK"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [(page or "There is no such page.\n").encode()]
