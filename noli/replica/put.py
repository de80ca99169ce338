"""Entries into a copy that readers use: data and head in one transaction, nothing regresses."""

from __future__ import annotations

import lmdb

from noli.replica.encoding import is_damaged
from noli.replica.head import Head
from noli.replica.intern import Interner
from noli.replica.store import Store
from noli.replica.take import Entries
from noli.runtime.failpoints import Failpoint, failpoint


def put(store: Store, interner: Interner, entries: Entries, head: Head) -> int:
    """Apply entries in log order; how many were superseded by what stands or came with them."""
    newest: dict[bytes, bytes] = {}
    superseded = 0
    for token, value in entries:
        there = newest.get(token)
        if there is None or interner.supersedes(value, there):
            newest[token] = value
        superseded += there is not None
    ordered = sorted(newest.items())
    first, shapes = interner.unsaved()

    def change(txn: lmdb.Transaction[bytes]) -> int:
        store.put_shapes(txn, first, shapes)
        kept = 0
        for token, value in ordered:
            if txn.put(token, value, overwrite=False, db=store.contacts):
                continue
            standing = txn.get(token, b"", store.contacts)
            if is_damaged(token, standing) or interner.supersedes(value, standing):
                store.replace(txn, token, value)
            else:
                kept += 1
        store.put_head(txn, head)
        failpoint(Failpoint.REPLICA_MID_PUT)
        return kept

    superseded += store.write(change)
    interner.saved(len(shapes))
    return superseded
