"""PostgreSQL: pools, named SQL, migrations and partitions. Everything above speaks to it through asyncpg."""
