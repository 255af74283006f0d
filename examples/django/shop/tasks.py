"""What the shop does in the background. A `def` runs in a process of its own, where Django's ORM is at home."""

from django.db import close_old_connections

from shop.models import Order
from taskflow.engine import task


@task(queue="orders", max_retries=5, timeout=30)
def confirm(order_id: int) -> str:
    """Confirm an order. It may run twice, so it says what shall be, not what to add."""
    close_old_connections()  # the process lives on between tasks
    Order.objects.filter(pk=order_id).update(confirmed=True)
    return f"order {order_id} is confirmed"
