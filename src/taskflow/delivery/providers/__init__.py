"""Providers: who carries a message. A provider has a name, which the ledger keeps, and sends windows (`contract`)."""
