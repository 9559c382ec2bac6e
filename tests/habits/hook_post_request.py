# args: --threads 2 app:app
# get: /page /environ
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)


def post_request(worker, req, environ, resp):
    names = sorted(name.lower() for name, value in resp.headers)
    tell(resp.status, resp.status_code, names, resp.response_length, resp.sent, req.body is not None)
    tell(resp.headers_sent, resp.should_close(), req.should_close(), sorted(req.headers))
