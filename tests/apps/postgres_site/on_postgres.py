"""The settings of the Django site, with the PostgreSQL in libpq's variables."""

from mysite.settings import *

ROOT_URLCONF = "postgres_urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres"}}
