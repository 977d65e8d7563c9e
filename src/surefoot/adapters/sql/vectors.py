"""The VectorCache port: on SQLite a file of its own, whose loss costs only time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import Connection, Executable, Select, bindparam, delete, select

from surefoot.adapters.sql.engine import Database
from surefoot.adapters.sql.schema.columns import TENANT, one_of
from surefoot.adapters.sql.schema.vectors import chunk_vectors
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.identity import TenantId
from surefoot.ports import Vectors

_LITTLE_ENDIAN = np.dtype("<f4")
_OTHER_ENCODERS = delete(chunk_vectors).where(
    chunk_vectors.c.tenant_id == TENANT, chunk_vectors.c.fingerprint != bindparam("encoder")
)
_OWN = (chunk_vectors.c.tenant_id == TENANT, chunk_vectors.c.fingerprint == bindparam("encoder"))
_HASHES = select(chunk_vectors.c.text_hash).where(*_OWN)


@cache
def _get(dialect: str) -> Select[Any]:
    columns = (chunk_vectors.c.text_hash, chunk_vectors.c.vector)
    return select(*columns).where(*_OWN, one_of(chunk_vectors.c.text_hash, "hashes", dialect))


@cache
def _put(dialect: str) -> Executable:
    new = inserting(chunk_vectors, dialect)
    return new.on_conflict_do_update(
        index_elements=["tenant_id", "fingerprint", "text_hash"], set_={"vector": new.excluded.vector}
    )


@cache
def _remove(dialect: str) -> Executable:
    return delete(chunk_vectors).where(*_OWN, one_of(chunk_vectors.c.text_hash, "hashes", dialect))


@cache
def _forget(dialect: str) -> Executable:
    return delete(chunk_vectors).where(chunk_vectors.c.tenant_id == TENANT, one_of(chunk_vectors.c.text_hash, "hashes", dialect))


class SqlVectors:
    """Vectors by tenant, encoder and text. Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, tenant: TenantId, fingerprint: str, text_hashes: Sequence[str]) -> Mapping[str, Vectors]:
        """The arrays are read-only views of the stored bytes."""
        transaction = Transaction(self._database)
        values = {"tenant": tenant, "encoder": fingerprint, "hashes": text_hashes}
        try:
            rows = transaction.read().execute(_get(transaction.dialect), values).all()
        finally:
            transaction.close()
        return {text_hash: np.frombuffer(vector, _LITTLE_ENDIAN) for text_hash, vector in rows}

    def put(self, tenant: TenantId, fingerprint: str, vectors: Mapping[str, Vectors]) -> None:
        if not vectors:
            return
        rows = [
            {"tenant_id": tenant, "fingerprint": fingerprint, "text_hash": key, "vector": vector.astype(_LITTLE_ENDIAN).tobytes()}
            for key, vector in sorted(vectors.items())
        ]
        with self._writing() as connection:
            connection.execute(_put(self._database.dialect), rows)

    def forget(self, tenant: TenantId, text_hashes: Iterable[str]) -> None:
        with self._writing() as connection:
            connection.execute(_forget(self._database.dialect), {"tenant": tenant, "hashes": list(text_hashes)})

    def keep_only(self, tenant: TenantId, fingerprint: str, text_hashes: frozenset[str]) -> int:
        key = {"tenant": tenant, "encoder": fingerprint}
        with self._writing() as connection:
            gone = connection.execute(_OTHER_ENCODERS, key).rowcount
            unwanted = [each for each in connection.execute(_HASHES, key).scalars() if each not in text_hashes]
            gone += connection.execute(_remove(self._database.dialect), {**key, "hashes": unwanted}).rowcount
        return gone

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A write transaction that is committed when the block ends without an error."""
        transaction = Transaction(self._database)
        try:
            with transaction.write() as connection:
                yield connection
            transaction.commit()
        finally:
            transaction.close()
