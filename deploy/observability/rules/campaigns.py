"""Silent calls: what the Garante's rules ask somebody to look at (SILENT-RATIO)."""

from __future__ import annotations

from deploy.observability.rules.model import TICKET, Alert, Clock, Group


def group(clock: Clock) -> Group:
    """Campaigns that were stopped, and calls that should not have been made so."""
    hour = clock.window("1h")
    return Group(
        "campaigns",
        (),
        (
            Alert(
                "NoliCampaignOver",
                "sum(noli_campaigns_over_silent_ratio) > 0",
                TICKET,
                "{{ $value }} campaigns made too many silent calls and may not call",
                "Their calls are denied as CAMPAIGN_SILENT_RATIO until the numbers are back.",
                "tickets.md#noli-campaign-over",
            ),
            Alert(
                "NoliSilentCallBreach",
                f"sum by (kind) (increase(noli_campaign_breaches_total[{hour}])) > 0",
                TICKET,
                "{{ $value | humanize }} calls in an hour: {{ $labels.kind }}",
                "People were left on a dead line for longer than 3 s, or in silence. The campaign's"
                " report has each day.",
                "tickets.md#noli-silent-call-breach",
            ),
        ),
    )
