"""Orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table of orders."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.TextField()),
                ("pieces", models.PositiveIntegerField()),
                ("confirmed", models.BooleanField(default=False)),
            ],
        )
    ]
