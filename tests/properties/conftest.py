"""The real PostgreSQL of the store's contracts, for the properties that need it."""

from tests.contracts.conftest import store_postgres

__all__ = ["store_postgres"]
