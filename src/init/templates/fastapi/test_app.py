"""Run them with `rgunicorn python -m unittest`."""

import json
import unittest

from app import app


class Pages(unittest.IsolatedAsyncioTestCase):
    async def get(self, path):
        """The status and the body, asked without a server (ASGI 3)."""
        messages = []

        async def receive():
            return {"type": "http.request", "body": b""}

        async def send(message):
            messages.append(message)

        scope = {"type": "http", "method": "GET", "path": path}
        scope |= {"headers": [], "query_string": b""}
        await app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in messages)
        return messages[0]["status"], body.decode()

    async def test_the_first_page(self):
        status, body = await self.get("/")
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body), {"message": "Hello from my-site!"})

    async def test_health(self):
        self.assertEqual(await self.get("/health"), (200, "ok\n"))
