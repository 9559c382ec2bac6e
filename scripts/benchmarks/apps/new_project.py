"""What the sites of Django here have in common: the middleware of a new project, without
sessions and users."""

SETTINGS = {
    "ALLOWED_HOSTS": ["*"],
    "SECRET_KEY": "benchmark",
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
}
