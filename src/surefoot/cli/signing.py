"""The development signing key: a private JWK in the data folder, by which `token` and `demo` act as the host product."""

import json
import os
from pathlib import Path
from typing import Any

from surefoot.bootstrap import Surefoot
from surefoot.core.errors import InvalidInput
from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Issuer
from surefoot.governance.tokens import DEVELOPMENT_ISSUER, new_signing_key


def ensure_signing_key(surefoot: Surefoot, tenant: TenantId) -> tuple[dict[str, Any], Issuer]:
    """The tenant's development key and issuer, made and registered when they do not exist yet; the file is mode 0600."""
    path = _path(surefoot, tenant)
    if not path.exists():
        private, issuer = new_signing_key(tenant)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(private, file)
        with surefoot.store.begin() as work:
            work.tenants.put_issuer(tenant, issuer)
            work.commit()
    return signing_key(surefoot, tenant)


def signing_key(surefoot: Surefoot, tenant: TenantId) -> tuple[dict[str, Any], Issuer]:
    """The tenant's development key and issuer. Raises InvalidInput, with the remedy, when there is none."""
    path = _path(surefoot, tenant)
    with surefoot.store.begin() as work:
        issuers = {issuer.issuer: issuer for issuer in work.tenants.issuers(tenant)}
    if not path.exists() or DEVELOPMENT_ISSUER not in issuers:
        raise InvalidInput(f"Tenant {tenant!r} has no development key here; run `surefoot init --tenant {tenant}`.")
    private: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return private, issuers[DEVELOPMENT_ISSUER]


def _path(surefoot: Surefoot, tenant: TenantId) -> Path:
    return surefoot.settings.data_dir / "keys" / f"{tenant}.jwk"
