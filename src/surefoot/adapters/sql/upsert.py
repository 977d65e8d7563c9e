"""INSERT ... ON CONFLICT, which both dialects spell alike but SQLAlchemy keeps in two classes."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def inserting(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what happens when the row is there."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
