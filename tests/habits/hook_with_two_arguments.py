# args: --threads 2 app:app
# get: /page
import os


def tell(*words):
    with open("calls", "a") as calls:
        print(*words, file=calls)


def post_request(worker, req):
    tell("post_request", req.path)
