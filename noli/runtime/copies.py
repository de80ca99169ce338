"""How many copies of each partition are in step, as metrics."""

from __future__ import annotations

from noli.runtime.broker import Cluster
from noli.runtime.metrics import clients
from schemas.codec import topic_catalogue


def tell(cluster: Cluster) -> None:
    """Of every topic of the catalogue that the cluster has."""
    catalogue = topic_catalogue()
    least = int(catalogue["defaults"]["min_insync_replicas"])
    for name in catalogue["topics"]:
        if name in cluster.copies:
            copies = cluster.copies[name]
            short = sum(in_step < wanted for wanted, in_step in copies)
            shut = sum(in_step < min(least, wanted) for wanted, in_step in copies)
            clients.UNDER_REPLICATED.labels(name).set(short)
            clients.UNDER_MIN_ISR.labels(name).set(shut)
