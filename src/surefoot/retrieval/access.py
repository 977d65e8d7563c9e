"""The only place that decides who may read what."""

from collections.abc import Iterable, Mapping

from surefoot.domain.documents import DocumentId
from surefoot.domain.filters import ReadAccess, readable
from surefoot.domain.identity import EVERYONE, Principal, Viewer, parse_principal
from surefoot.ports import Store


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


def still_readable(store: Store, viewer: Viewer, documents: Iterable[DocumentId]) -> frozenset[DocumentId]:
    """Those of the documents that the viewer may read at this moment, by the table of rights itself, past every cache."""
    wanted = sorted(set(documents))
    rights = ReadAccess(principals_of(viewer), epoch=0)
    with store.begin() as work:
        acl: Mapping[DocumentId, frozenset[Principal]] = work.access.of(viewer.tenant, wanted)
    return frozenset(document for document in wanted if readable(acl.get(document, frozenset()), rights))
