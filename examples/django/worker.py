"""What workers import: Django set up, then the tasks that use its models."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project")
django.setup()

from shop import tasks  # noqa: E402, F401 - models can be imported from here on
