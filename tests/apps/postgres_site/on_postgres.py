"""The settings of the Django site on the PostgreSQL that libpq's variables name."""

from mysite.settings import *

ROOT_URLCONF = "postgres_urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"}}
