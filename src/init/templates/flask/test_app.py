"""Run them with `rgunicorn python -m unittest`."""

import unittest

from app import app


class Pages(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def test_the_first_page(self):
        answer = self.client.get("/")
        self.assertEqual(answer.status_code, 200)
        self.assertIn("Hello from my-site!", answer.text)

    def test_health(self):
        self.assertEqual(self.client.get("/health").text, "ok\n")
