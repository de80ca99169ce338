"""What the law leaves to the controller, and what is known beside a contact's own facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from noli.domain import times

#: CONSENT-CONFIRMED: how long a double opt-in may wait for its confirmation.
DOUBLE_OPT_IN_WINDOW: Final = 7 * times.DAY
#: REGISTER-FRESH (D.P.R. 26/2022): how long a check of the register is good, for calls and post.
PHONE_CHECK_VALID: Final = 15 * times.DAY
POST_CHECK_VALID: Final = 30 * times.DAY
#: REGISTER-CONTRACT: how long consents survive a listing after the contract ended.
CONTRACT_GRACE: Final = 30 * times.DAY
#: SILENT-HOLD: how long nobody may be called again (Garante, 20 Feb 2014, n. 83).
SILENT_HOLD: Final = 5 * times.DAY


@dataclass(frozen=True, slots=True)
class Policy:
    """Durations in ms, and the sources revoked: (controller, source id) -> acceptance in ms."""

    double_opt_in_window: int = DOUBLE_OPT_IN_WINDOW
    phone_check_valid: int = PHONE_CHECK_VALID
    post_check_valid: int = POST_CHECK_VALID
    revoked: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))

    def with_revoked(self, controller: str, source_id: str, accepted: int) -> Policy:
        """The policy with one more revocation; the earliest acceptance counts."""
        key = (controller, source_id)
        earliest = min(accepted, self.revoked.get(key, accepted))
        return replace(self, revoked=MappingProxyType({**self.revoked, key: earliest}))
