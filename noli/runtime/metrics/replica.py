"""The writer of a host's local copy."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY

# --- the local copy and its writer ----------------------------------------------------------------

#: By outcome: taken, stale_epoch (an owner that had been replaced), superseded, unreadable (its
#: contact is denied), other_pepper, foreign_key. `unreadable` rising: look at the quarantine.
RECORDS = Counter(
    "noli_replica_records_total",
    "Records of noli.decisions read by the replica's writer.",
    ["outcome"],
    registry=REGISTRY,
)
#: Contacts the copy holds.
CONTACTS = Gauge("noli_replica_contacts", "Contacts in the copy.", registry=REGISTRY)
#: Disk the copy takes; 45 to 100 bytes a contact are normal.
BYTES = Gauge("noli_replica_bytes", "Bytes of the copy's pages.", registry=REGISTRY)
#: Older than the lease (30 s): every reader denies with STALE_REPLICA. 0: no beacon yet.
AS_OF = Gauge(
    "noli_replica_as_of_timestamp_seconds",
    "The copy holds every decision the log took before this time.",
    registry=REGISTRY,
)
#: Older than the lease: whoever names a campaign is denied. 0: no watcher has told yet.
CAMPAIGNS_AS_OF = Gauge(
    "noli_replica_campaigns_as_of_timestamp_seconds",
    "The copy holds what every call that the log took before this time makes of its campaign.",
    registry=REGISTRY,
)
#: By reason: missing, refused, requested. `refused` rising: the disk or the broker was replaced.
REBUILDS = Counter(
    "noli_replica_rebuilds_total", "Copies filled from the beginning.", ["reason"],
    registry=REGISTRY,
)  # fmt: skip
