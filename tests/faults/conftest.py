"""The databases of the store's contracts, for the faults that need real ones."""

from tests.contracts.conftest import database_url, store_postgres, store_sqlite_template

__all__ = ["database_url", "store_postgres", "store_sqlite_template"]
