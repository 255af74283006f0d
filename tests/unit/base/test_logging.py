"""Logs: secrets are cut out on the way."""

from taskflow.base.logging import redact


def test_values_under_secret_names_and_passwords_in_urls_are_cut_out() -> None:
    event = redact(
        None,
        "info",
        {
            "password": "hunter2",
            "refresh_token": "abc",
            "api_key": "tf_x_y",
            "url": "postgresql://taskflow:hunter2@db.example/taskflow",
            "event": "connected",
        },
    )
    assert "hunter2" not in str(event)
    assert "abc" not in str(event)
    assert event["url"] == "postgresql://taskflow:[redacted]@db.example/taskflow"
    assert event["event"] == "connected"
