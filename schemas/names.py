"""Names of the contract that code of every room needs: topics, and the keys that are no contact's.

A test holds the topics equal to `topics.toml`.
"""

from __future__ import annotations

from typing import Final

#: What can only deny has a lane of its own, so that no backfill delays it; GRANTS is the other.
OBJECTIONS: Final = "noli.objections"
GRANTS: Final = "noli.grants"
#: Loads: each record a chunk of intents of one partition's contacts.
BULK: Final = "noli.bulk"
#: Facts of a person rather than of one contact; keyed by the party's text.
PARTIES: Final = "noli.parties"
#: What concerns every contact: one copy on every partition.
CONTROL: Final = "noli.control"
STATE: Final = "noli.state"
PARTY_STATE: Final = "noli.party_state"
DECISIONS: Final = "noli.decisions"
RECEIPTS: Final = "noli.receipts"
#: As of when each application is aligned, and all of them together (key `*`).
ALIGNMENT: Final = "noli.alignment"
#: How far the facts of persons have been handed on to their contacts.
BEACONS: Final = "noli.beacons"
#: Calls that were answered, by campaign; what they came to; the probes of the applications.
CALLS: Final = "noli.calls"
CAMPAIGNS: Final = "noli.campaigns"
CANARIES: Final = "noli.canaries"
#: What was done to each application, and how its backfills and read-backs went.
APPS: Final = "noli.apps"
#: Where what could not be read is kept for a human.
QUARANTINE: Final = "noli.quarantine"

#: Keys of a new owner's claim and of its beacons. Shorter than any contact token, so never one.
CLAIM_KEY: Final = b"claim"
BEACON_KEY: Final = b"beacon"
