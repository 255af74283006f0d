"""What the shop keeps."""

from django.db import models


class Order(models.Model):
    """An order."""

    item = models.TextField()
    pieces = models.PositiveIntegerField()
    confirmed = models.BooleanField(default=False)
