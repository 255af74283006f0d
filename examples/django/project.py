"""Settings of the example: Django and TaskFlow share one PostgreSQL database.

To run it, in this folder:

    TASKFLOW_WORKER_IMPORTS='["worker"]' taskflow up         # in one terminal
    export TASKFLOW_DATABASE_URL=$(taskflow db url)          # in another
    python manage.py migrate && python manage.py runserver 8001
"""

import os

from psycopg.conninfo import conninfo_to_dict

_url = conninfo_to_dict(os.environ["TASKFLOW_DATABASE_URL"])

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-this-example")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "shop.views"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.get("dbname"),
        "USER": _url.get("user"),
        "PASSWORD": _url.get("password"),
        "HOST": _url.get("host"),
        "PORT": _url.get("port"),
    }
}
