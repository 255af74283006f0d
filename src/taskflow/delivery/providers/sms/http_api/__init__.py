"""Any HTTP API that sends texts, from configuration."""
