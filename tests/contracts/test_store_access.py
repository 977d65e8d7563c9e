"""What every store promises about rights: default deny, an epoch for every change, and one moment per answer."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.domain.documents import DocumentId
from surefoot.domain.identity import Principal, TenantId
from surefoot.ports import AccessSnapshot, Store
from tests.contracts.store_rows import ACME, ANN, EVERYONE, GLOBEX, chunks, document

NOBODY: frozenset[Principal] = frozenset()
A, B = DocumentId("doc_a"), DocumentId("doc_b")


def put(store: Store, target: DocumentId, *principals: Principal, tenant: TenantId = ACME) -> bool:
    """Whether these principals were a change."""
    with store.begin() as work:
        changed = work.access.put(tenant, target, frozenset(principals))
        work.commit()
    return changed


def readable(store: Store, *principals: Principal, tenant: TenantId = ACME) -> AccessSnapshot:
    with store.begin() as work:
        return work.access.readable(tenant, frozenset(principals))


def test_nothing_is_readable_before_rights_are_put(store: Store) -> None:
    with store.begin() as work:
        work.documents.replace(ACME, document("a"), chunks(document("a")))
        work.commit()
    assert readable(store, ANN, EVERYONE) == AccessSnapshot(0, frozenset())
    with store.begin() as work:
        assert work.access.of(ACME, [A]) == {}


def test_no_principal_reads_nothing(store: Store) -> None:
    put(store, A, EVERYONE)
    assert readable(store).documents == frozenset()


def test_each_change_of_rights_moves_the_epoch_and_an_unchanged_put_does_not(store: Store) -> None:
    epochs = [readable(store).epoch]
    for principals, is_change in [((ANN,), True), ((ANN,), False), ((ANN, EVERYONE), True), ((EVERYONE,), True)]:
        assert put(store, A, *principals) is is_change
        epochs.append(readable(store).epoch)
    assert epochs[0] < epochs[1] == epochs[2] < epochs[3] < epochs[4]


def test_an_empty_set_of_principals_means_nobody(store: Store) -> None:
    assert put(store, A) is False
    put(store, A, ANN)
    before = readable(store).epoch
    assert put(store, A) is True
    assert readable(store, ANN, EVERYONE).documents == frozenset()
    assert readable(store).epoch > before
    with store.begin() as work:
        assert work.access.of(ACME, [A]) == {}


def test_deleting_a_document_moves_the_epoch_when_rights_went(store: Store) -> None:
    put(store, A, ANN)
    before = readable(store, ANN)
    with store.begin() as work:
        work.documents.delete(ACME, [A])
        work.commit()
    after = readable(store, ANN)
    assert after.documents == frozenset() and after.epoch > before.epoch
    with store.begin() as work:
        work.documents.delete(ACME, [A])
        work.commit()
    assert readable(store, ANN).epoch == after.epoch


def test_the_epoch_moves_in_every_transaction_that_changes_rights(store: Store) -> None:
    """Two changes in one transaction may share a step; those of two transactions never do, not even in one unit of work."""
    with store.begin() as work:
        epochs = [work.corpora.state(ACME).acl_epoch]
        for principals in ([ANN], [EVERYONE], []):
            for name in ("doc_a", "doc_b"):
                assert work.access.put(ACME, DocumentId(name), frozenset(principals))
            work.commit()
            epochs.append(work.corpora.state(ACME).acl_epoch)
            work.commit()
    assert epochs == sorted(set(epochs))


def test_the_corpus_state_carries_the_same_epoch(store: Store) -> None:
    put(store, A, ANN)
    with store.begin() as work:
        assert work.corpora.state(ACME).acl_epoch == work.access.readable(ACME, NOBODY).epoch > 0


def test_rights_not_committed_are_not_rights(store: Store) -> None:
    with store.begin() as work:
        work.access.put(ACME, A, frozenset({ANN}))
        assert work.access.readable(ACME, frozenset({ANN})).documents == {A}
    assert readable(store, ANN) == AccessSnapshot(0, frozenset())


def test_epoch_and_documents_are_of_the_same_moment_while_rights_change(store: Store) -> None:
    """One writer flips one right; whoever reads an epoch must read the set that belongs to it."""
    rounds = 60
    start = Barrier(4)

    def write() -> None:
        start.wait()
        for number in range(rounds):
            put(store, A, *([ANN] if number % 2 == 0 else []))

    def read() -> set[AccessSnapshot]:
        start.wait()
        return {readable(store, ANN) for _ in range(rounds)}

    with ThreadPoolExecutor(4) as threads:
        writer = threads.submit(write)
        readers = [threads.submit(read) for _ in range(3)]
        writer.result()
        seen = set().union(*(reader.result() for reader in readers))
    # Odd epochs granted the right and even ones took it away.
    assert all((A in snapshot.documents) == (snapshot.epoch % 2 == 1) for snapshot in seen)


def test_no_change_of_rights_is_lost_when_many_threads_make_them(store: Store) -> None:
    def change(number: int) -> bool:
        return put(store, DocumentId(f"doc_{number % 2}"), Principal(f"user:{number}"))

    with ThreadPoolExecutor(8) as threads:
        changes = list(threads.map(change, range(64)))
    assert all(changes)
    assert readable(store).epoch == 64
    with store.begin() as work:
        rights = work.access.of(ACME, [DocumentId("doc_0"), DocumentId("doc_1")])
    assert {document: len(principals) for document, principals in rights.items()} == {"doc_0": 1, "doc_1": 1}


_DOCUMENTS = st.sampled_from([DocumentId(f"doc_{name}") for name in "abcd"])
_PRINCIPALS = st.frozensets(st.sampled_from([ANN, EVERYONE, Principal("group:g"), Principal("group:G"), Principal("plan:pro")]))
_TENANTS = st.sampled_from([ACME, GLOBEX])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _TENANTS, _DOCUMENTS, _PRINCIPALS),
        st.tuples(st.just("delete"), _TENANTS, _DOCUMENTS, st.just(NOBODY)),
    ),
    max_size=12,
)

World = dict[TenantId, dict[DocumentId, frozenset[Principal]]]


def _step(store: Store, world: World, kind: str, tenant: TenantId, target: DocumentId, principals: frozenset[Principal]) -> bool:
    """Store and oracle take the same step; whether it changed rights, by the oracle."""
    before = world[tenant].get(target, NOBODY)
    world[tenant][target] = principals
    with store.begin() as work:
        if kind == "put":
            assert work.access.put(tenant, target, principals) is (before != principals)
        else:
            work.documents.delete(tenant, [target])
        work.commit()
    return before != principals


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS, asked=_PRINCIPALS)
def test_readable_agrees_with_brute_force_in_any_world(store: Store, steps: list[tuple], asked: frozenset[Principal]) -> None:  # type: ignore[type-arg]
    documents = [DocumentId(f"doc_{name}") for name in "abcd"]
    world: World = {ACME: {}, GLOBEX: {}}
    with store.begin() as work:
        for tenant in world:
            work.documents.delete(tenant, documents)
        work.commit()
    epochs = {tenant: readable(store, tenant=tenant).epoch for tenant in world}
    for kind, tenant, changed, principals in steps:
        epochs[tenant] += _step(store, world, kind, tenant, changed, principals)
    for tenant, rights in world.items():
        expected = {each for each, principals in rights.items() if principals & asked}
        assert readable(store, *asked, tenant=tenant) == AccessSnapshot(epochs[tenant], frozenset(expected))
        with store.begin() as work:
            assert work.access.of(tenant, documents) == {d: p for d, p in rights.items() if p}


def test_a_reader_holds_one_moment_until_it_ends(store: Store) -> None:
    put(store, A, ANN)
    with store.begin() as reader:
        before = reader.access.readable(ACME, frozenset({ANN}))
        put(store, B, ANN)
        assert reader.access.readable(ACME, frozenset({ANN})) == before
        assert reader.corpora.state(ACME).acl_epoch == before.epoch
    assert readable(store, ANN).documents == {A, B}
