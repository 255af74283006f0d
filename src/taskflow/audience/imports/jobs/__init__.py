"""Imports of contacts as jobs: a file is uploaded, a task reads it, checks every row and merges it into the contacts.

`upload` understands the file and takes it in, `run` does the work in a worker, `queries.sql` is the merge itself.
"""
