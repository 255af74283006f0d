"""A person's rights over what is stored about them: a copy of it (GDPR, articles 15 and 20), and its erasure (17).

Erasure does not follow a list of columns that somebody has to keep. It asks PostgreSQL which columns can hold text,
takes the person's address and phone number out of every one of them, and counts again: it is done when none is left.
What has a meaning beyond text (the contact, the ledger, mails in the sandbox) is dealt with first, by name.
"""
