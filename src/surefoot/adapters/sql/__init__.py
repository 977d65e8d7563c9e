"""The Store port on SQLAlchemy Core: SQLite and PostgreSQL."""
