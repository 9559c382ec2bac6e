"""Run them with `rgunicorn python manage.py test`."""

from django.test import SimpleTestCase, override_settings


# Static files have their plain names then, and need not be gathered.
@override_settings(DEBUG=True)
class Pages(SimpleTestCase):
    def test_the_first_page(self):
        self.assertContains(self.client.get("/"), "Hello from my-site!")

    def test_health(self):
        self.assertEqual(self.client.get("/health").content, b"ok\n")
