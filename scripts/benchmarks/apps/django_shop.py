"""A Django page with a template of Django and 20 queries of its ORM, with the middleware
of a new project. As without a setting, each request has its own connection to the database."""

import pathlib

import django
import new_project
import shop
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.template import engines
from django.urls import path

settings.configure(
    **new_project.SETTINGS,
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": pathlib.Path(__file__).with_name(shop.FILE)},
    },
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()

from django.db import models  # noqa: E402, after the settings


class Product(models.Model):
    name = models.TextField()
    maker = models.TextField()
    price = models.FloatField()
    stock = models.IntegerField()

    class Meta:
        app_label, db_table, managed = "shop", "product", False


page = engines["django"].from_string("""<!doctype html>
<title>Products</title>
<table>
{% for product in products %}
<tr><td>{{ product.id }}</td><td>{{ product.name }}</td><td>{{ product.maker|upper }}</td>
<td>{{ product.price|floatformat:2 }}</td>
<td>{% if product.stock %}{{ product.stock }}{% else %}sold out{% endif %}</td></tr>
{% endfor %}
</table>
""")


def products(request):
    rows = [Product.objects.get(pk=number) for number in shop.next_page()]
    return HttpResponse(page.render({"products": rows}, request))


urlpatterns = [path("", products)]
app = get_wsgi_application()
