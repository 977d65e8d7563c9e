"""The only place that decides who may read what."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock

from surefoot.domain.documents import DocumentId
from surefoot.domain.filters import ReadAccess, readable
from surefoot.domain.identity import EVERYONE, Principal, TenantId, Viewer, acl_fingerprint, parse_principal
from surefoot.ports import Store

_REMEMBERED_TENANTS = 256


def principals_of(viewer: Viewer) -> frozenset[Principal]:
    """Every principal the viewer acts as: the verified ones, their own user, their plan, and everyone.

    Raises InvalidInput when user or plan cannot be a principal, rather than reading with fewer or other rights.
    """
    own = [EVERYONE, parse_principal(f"user:{viewer.user}")]
    if viewer.plan is not None:
        own.append(parse_principal(f"plan:{viewer.plan}"))
    return viewer.principals.union(own)


def access_of(viewer: Viewer, *, epoch: int) -> ReadAccess:
    """The viewer's rights at this ACL epoch."""
    return ReadAccess(principals_of(viewer), epoch)


class RightsFingerprints:
    """Names for sets of rights: viewers with equal names read exactly the same documents of a tenant at the same epoch.

    The name is made of those of a viewer's principals that any document names at all, so that two people who differ only
    in principals without documents, such as their own user, share it. Safe from many threads.
    """

    def __init__(self, store: Store, *, tenants: int = _REMEMBERED_TENANTS) -> None:
        self._store = store
        self._tenants = tenants
        self._in_use: OrderedDict[TenantId, tuple[int, frozenset[Principal]]] = OrderedDict()
        self._lock = Lock()

    def of(self, viewer: Viewer, *, epoch: int) -> str:
        """The name of the viewer's rights at this epoch."""
        own = principals_of(viewer)
        in_use = self._principals_in_use(viewer.tenant, epoch)
        # Rights that move while they are read are shared with nobody.
        return acl_fingerprint(own if in_use is None else own & in_use)

    def _principals_in_use(self, tenant: TenantId, epoch: int) -> frozenset[Principal] | None:
        with self._lock:
            known = self._in_use.get(tenant)
            if known is not None and known[0] == epoch:
                self._in_use.move_to_end(tenant)
                return known[1]
        with self._store.begin() as work:
            at = work.corpora.state(tenant).acl_epoch
            principals = work.access.in_use(tenant)
        if at != epoch:
            return None
        with self._lock:
            self._in_use[tenant] = (epoch, principals)
            while len(self._in_use) > self._tenants:
                self._in_use.popitem(last=False)
        return principals


def still_readable(store: Store, viewer: Viewer, documents: Iterable[DocumentId]) -> frozenset[DocumentId]:
    """Those of the documents that the viewer may read at this moment, by the table of rights itself, past every cache."""
    wanted = sorted(set(documents))
    rights = ReadAccess(principals_of(viewer), epoch=0)
    with store.begin() as work:
        acl: Mapping[DocumentId, frozenset[Principal]] = work.access.of(viewer.tenant, wanted)
    return frozenset(document for document in wanted if readable(acl.get(document, frozenset()), rights))
