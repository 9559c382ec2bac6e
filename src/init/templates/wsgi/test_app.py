"""Run them with `rgunicorn python -m unittest`."""

import unittest
from wsgiref.util import setup_testing_defaults

from app import app


class Pages(unittest.TestCase):
    def get(self, path):
        environ = {"PATH_INFO": path}
        setup_testing_defaults(environ)
        answers = []
        body = b"".join(app(environ, lambda status, headers: answers.append(status)))
        return answers[0], body.decode()

    def test_the_first_page(self):
        self.assertEqual(self.get("/"), ("200 OK", "Hello from my-site!\n"))

    def test_health(self):
        self.assertEqual(self.get("/health"), ("200 OK", "ok\n"))

    def test_no_page(self):
        status, _ = self.get("/nothing")
        self.assertEqual(status, "404 Not Found")
