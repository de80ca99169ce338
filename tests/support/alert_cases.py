"""For each alert: what makes it fire, what must not, and what becomes of it where series end.

In promtool's notation `0+60x10` is 0, 60, … 600: ten steps after the first. Time begins at 0 there,
so a watermark of `0+60x20`, a sample a minute, is one that keeps up.
"""

from __future__ import annotations

from typing import Final

from tests.support.promtool import Case

_INTAKE = "noli_intake_duration_seconds"
_HTTP = 'noli_http_request_seconds{}{{route="/v1/decisions",status="200"{}}}'


def propagation(of_all: str, within: str, probe: str = "true") -> dict[str, str]:
    """Objections at `crm`: all of them, and those within 5 s."""
    labels = f'app="crm",kind="objection",probe="{probe}"'
    return {
        f"noli_propagation_seconds_count{{{labels}}}": of_all,
        f'noli_propagation_seconds_bucket{{{labels},le="5.0"}}': within,
    }


def posts(accepted: str, within: str, failed: str = "0x600") -> dict[str, str]:
    """Posts answered with a receipt, those of them within 1 s, and those not taken."""
    return {
        f'{_INTAKE}_count{{outcome="accepted"}}': accepted,
        f'{_INTAKE}_bucket{{outcome="accepted",le="1.0"}}': within,
        f'{_INTAKE}_count{{outcome="failed"}}': failed,
    }


CRM: Final = ({"app": "crm"},)
#: An alert that names nobody.
ONE: Final[tuple[dict[str, str], ...]] = ({},)

_BURNS: Final = (
    Case(
        "NoliFreshnessBurnFast",
        "2 in 100 late for an hour",
        propagation("0+100x90", "0+98x90"),
        CRM,
        "80m",
    ),
    Case(
        "NoliFreshnessBurnFast",
        "1 in 1000 late is what the budget is for",
        propagation("0+1000x90", "0+999x90"),
        at="80m",
    ),
    Case(
        "NoliFreshnessBurnFast",
        "it burned, and burns no more",
        propagation("0+100x70 7100+100x20", "0+90x70 6410+100x20"),
        at="90m",
    ),
    Case(
        "NoliFreshnessBurnFast",
        "one late objection among a second's canaries",
        propagation("0+60x90", "0+60x90") | propagation("0x80 1x10", "0x90", "false"),
        at="85m",
    ),
    Case(
        "NoliFreshnessBurnFast",
        "a restart counts from 0 again and is no objection in time",
        propagation("0+100x40 0+100x50", "0+98x40 0+98x50"),
        CRM,
        "85m",
    ),
    Case("NoliFreshnessBurnFast", "nothing is scraped", {}, at="80m"),
    Case(
        "NoliFreshnessBurnSlow",
        "1 in 100 late for six hours",
        propagation("0+100x400", "0+99x400"),
        CRM,
        "390m",
    ),
    Case(
        "NoliFreshnessBurnSlow",
        "half an hour without",
        propagation("0+100x360 36100+100x40", "0+99x360 35740+100x40"),
        at="395m",
    ),
    Case(
        "NoliFreshnessBurnTicket",
        "2 in 1000 late for days",
        propagation("0+60000x80", "0+59880x80"),
        ({"app": "crm", "window": "3d"},),
        "78h",
        "1h",
    ),
    Case(
        "NoliFreshnessBurnTicket",
        "1 in 10000 late for days",
        propagation("0+60000x80", "0+59994x80"),
        at="78h",
        every="1h",
    ),
    Case(
        "NoliIntakeBurnFast",
        "the log takes nothing: every post fails",
        posts("0+60x20 1200x70", "0+60x20 1200x70", "0x20 0+60x70"),
        ONE,
        "80m",
    ),
    Case(
        "NoliIntakeBurnFast",
        "refused posts are the sender's affair",
        posts("0+60x90", "0+60x90") | {f'{_INTAKE}_count{{outcome="refused"}}': "0+60x90"},
        at="80m",
    ),
    Case("NoliIntakeBurnFast", "nobody posts", posts("0x90", "0x90"), at="80m"),
    Case(
        "NoliIntakeBurnTicket",
        "2 in 1000 slow for days",
        posts("0+6000x80", "0+5988x80", "0x80"),
        ({"window": "3d"}, {"window": "1d"}),
        "78h",
        "1h",
    ),
    Case(
        "NoliIntakeBurnTicket",
        "all in time",
        posts("0+6000x80", "0+6000x80", "0x80"),
        at="78h",
        every="1h",
    ),
    Case(
        "NoliAlignmentBurnTicket",
        "never aligned since a day",
        {"noli_aligned_watermark_timestamp_seconds": "0x400"},
        ({"window": "1d"}, {"window": "3d"}),
        "26h",
        "4m",
    ),
    Case(
        "NoliAlignmentBurnTicket",
        "always aligned",
        {"noli_aligned_watermark_timestamp_seconds": "0+240x400"},
        at="26h",
        every="4m",
    ),
    Case(
        "NoliCheckBurnTicket",
        "1 in 100 lookups slow",
        {
            _HTTP.format("_count", ""): "0+6000x80",
            _HTTP.format("_bucket", ',le="0.01"'): "0+5940x80",
        },
        ({"window": "1d"}, {"window": "3d"}),
        "78h",
        "1h",
    ),
    Case(
        "NoliCheckBurnTicket",
        "lookups in time",
        {
            _HTTP.format("_count", ""): "0+6000x80",
            _HTTP.format("_bucket", ',le="0.01"'): "0+6000x80",
        },
        at="78h",
        every="1h",
    ),
)

_WATERMARK = 'noli_app_watermark_timestamp_seconds{{app="{}"}}'
_ALIGNED = "noli_aligned_watermark_timestamp_seconds"
_BEACON = 'noli_beacon_as_of_timestamp_seconds{partition="0"}'
_LOST = 'noli_probe_lost_total{app="crm"}'
_LATE = 'noli_probe_late_total{app="crm"}'
_SENT = 'noli_probe_sent_total{app="crm"}'

_ALIGNMENT: Final = (
    Case(
        "NoliAppNotAligned",
        "one application stands still, the other keeps up",
        {_WATERMARK.format("crm"): "0x20", _WATERMARK.format("ok"): "0+60x20"},
        CRM,
    ),
    Case("NoliAppNotAligned", "nothing is known of it yet", {_WATERMARK.format("crm"): "0x5"}, CRM,
         "5m"),
    Case("NoliAppNotAligned", "20 s behind all the time", {_WATERMARK.format("crm"): "-20+60x20"}),
    Case("NoliAppNotAligned", "an application that was removed",
         {_WATERMARK.format("crm"): "0x5 stale"}),
    Case("NoliAppNotAligned", "nothing is scraped (NoliSeriesAbsent says so)", {}),
    Case(
        "NoliWatermarkStuck",
        "decisions go on, the watermark does not",
        {_ALIGNED: "60x80", _BEACON: "0+15x80"},
        ONE,
        every="15s",
    ),
    Case(
        "NoliWatermarkStuck",
        "both go on",
        {_ALIGNED: "0+15x80", _BEACON: "0+15x80"},
        every="15s",
    ),
    Case(
        "NoliWatermarkStuck",
        "nobody decides: the watermark stands rightly",
        {_ALIGNED: "60x80", _BEACON: "60x80"},
        every="15s",
    ),
    Case("NoliWatermarkStuck", "no beacons scraped", {_ALIGNED: "60x80"}, every="15s"),
    Case("NoliProbeLost", "one more", {_LOST: "0x5 1x10"}, CRM, "8m"),
    Case("NoliProbeLost", "none", {_LOST: "0x20"}),
    Case("NoliProbeLost", "lost an hour ago", {_LOST: "0x5 1x70"}, at="70m"),
    Case("NoliProbeLost", "first seen at 1, after a crash", {_LOST: "_x5 1x10"}, CRM, "7m"),
    Case("NoliProbeLost", "a restart from 3 to 0 is no loss", {_LOST: "3x12 0x10"}, at="15m"),
    Case("NoliProbeLate", "five in two minutes", {_LATE: "0x5 3x1 5x10"}, CRM, "8m"),
    Case("NoliProbeLate", "one, on a bad second", {_LATE: "0x5 1x10"}, at="8m"),
    Case("NoliProbeLate", "a restart", {_LATE: "50x8 0x10"}, at="10m"),
    Case("NoliProbesSilent", "sent no more", {_SENT: "0+60x5 300x20"}, CRM, "12m"),
    Case("NoliProbesSilent", "one a second", {_SENT: "0+60x20"}),
    Case("NoliProbesSilent", "a restart", {_SENT: "0+60x8 0+60x10"}, at="9m"),
    Case("NoliProbesSilent", "nothing is scraped (NoliSeriesAbsent says so)", {}),
    Case("NoliCircuitOpen", "open for six minutes",
         {'noli_circuit_state{app="crm"}': "0x2 2x10"}, CRM, "9m"),
    Case("NoliCircuitOpen", "open for a minute",
         {'noli_circuit_state{app="crm"}': "0x5 2x1 0x10"}, at="8m"),
)  # fmt: skip

_INVARIANT = 'noli_invariant_violations_total{invariant="log_went_back",process="suppress-0"}'
_QUARANTINE = "noli_quarantined_events"
_WRONG = 'noli_digest_mismatches_total{{app="crm",cause="{}"}}'
_CONSENTS = 'noli_events_accepted_total{{kind="noli.consent.given.v1",source="{}"}}'
_RECONCILED = 'noli_reconciliation_last_success_timestamp_seconds{app="crm"}'
_PERIOD = 'noli_reconciliation_period_seconds{app="crm"}'


def checks(allowed: str, stale: str) -> dict[str, str]:
    """Answers from a copy, and without one that is fresh."""
    return {
        'noli_contact_checks_total{verdict="allowed",why="decided"}': allowed,
        'noli_contact_checks_total{verdict="suppressed_stale",why="stale"}': stale,
    }


_CORRECTNESS: Final = (
    Case("NoliInvariantViolated", "seen", {_INVARIANT: "0x5 1x10"},
         ({"invariant": "log_went_back", "process": "suppress-0"},), "8m"),
    Case("NoliInvariantViolated", "never seen", {_INVARIANT: "0x20"}),
    Case("NoliInvariantViolated", "the process ended before it was scraped at 0",
         {_INVARIANT: "_x5 1x10"}, ({"invariant": "log_went_back"},), "7m"),
    Case("NoliInvariantViolated", "its successor shows the same count",
         {_INVARIANT: "2x30"}, at="25m"),
    Case("NoliInvariantViolated", "its disk was replaced", {_INVARIANT: "2x15 0x10"}, at="20m"),
    Case("NoliQuarantineNonEmpty", "one waits", {_QUARANTINE: "0x2 1x10"},
         ONE, "5m"),
    Case("NoliQuarantineNonEmpty", "resolved", {_QUARANTINE: "1x2 0x10"}, at="5m"),
    Case("NoliQuarantineNonEmpty", "nothing is scraped", {}),
    Case("NoliDigestMismatch", "it allows what is denied",
         {_WRONG.format("allowed"): "0x5 1x10"}, ({"app": "crm", "cause": "allowed"},), "8m"),
    Case("NoliDigestMismatch", "it denies more than was said",
         {_WRONG.format("denied"): "0x5 7x10"}, at="8m"),
    Case("NoliDigestMismatch", "repaired an hour ago",
         {_WRONG.format("missing"): "0x5 1x70"}, at="70m"),
    Case("NoliDigestMismatch", "the connector was restarted",
         {_WRONG.format("older"): "4x15 0x10"}, at="20m"),
    Case("NoliReconciliationStale", "a day late", {_RECONCILED: "0x60", _PERIOD: "3600x60"}, CRM,
         "50h", "1h"),
    Case("NoliReconciliationStale", "in time",
         {_RECONCILED: "0+3600x60", _PERIOD: "3600x60"}, at="50h", every="1h"),
    Case("NoliReconciliationStale", "read back only when asked", {_RECONCILED: "0x60"}, at="50h",
         every="1h"),
    Case("NoliStaleReads", "2 in 100", checks("0+98x20", "0+2x20"), ONE),
    Case("NoliStaleReads", "1 in 1000", checks("0+999x20", "0+1x20")),
    Case("NoliStaleReads", "nobody asks", checks("5x20", "1x20")),
    Case("NoliStaleReads", "asked by nobody that is scraped", {}),
    Case("NoliStaleReads", "a lookup was restarted", checks("0+999x8 0+999x8", "0+1x8 0+1x8")),
    Case("NoliMassLift", "six times the most of a week",
         {_CONSENTS.format("events"): "0+10x300 3000+200x20"}, ONE, "312m"),
    Case("NoliMassLift", "a busy hour", {_CONSENTS.format("events"): "0+10x300 3000+40x20"},
         at="312m"),
    Case("NoliMassLift", "a first consent in a quiet place",
         {_CONSENTS.format("events"): "0x300 0+9x20"}, at="312m"),
    Case("NoliMassLift", "canaries consent every second",
         {_CONSENTS.format("canary"): "0x300 0+600x20"}, at="312m"),
)  # fmt: skip

_GROUP = 'instance="a",group="noli.suppress",topic="noli.objections",partition="0"'
_APP = 'instance="a",group="noli.app.crm",topic="noli.decisions",partition="0"'
_LAG = "noli_consumer_lag_records{{{}}}"
_OWN = 'noli_beacon_as_of_timestamp_seconds{{instance="a",process="suppress-0",partition="{}"}}'
_COMMIT = 'noli_consumer_last_commit_timestamp_seconds{instance="a",group="noli.suppress"}'
_REWINDS = 'noli_consumer_rewinds_total{group="noli.suppress"}'
_SECONDS = 'noli_consumer_lag_seconds{{group="noli.suppress",topic="{}",partition="0"}}'
SUPPRESS: Final = ({"group": "noli.suppress"},)

_PIPELINE: Final = (
    Case("NoliProcessDown", "no answer", {'up{job="noli",process="watch-0"}': "1x2 0x10"},
         ({"process": "watch-0"},), "5m"),
    Case("NoliProcessDown", "somebody else's", {'up{job="node",process="x"}': "0x10"}, at="5m"),
    Case("NoliProcessDown", "restarted within a scrape",
         {'up{job="noli",process="watch-0"}': "1x2 0 1x10"}, at="5m"),
    Case("NoliDeadMan", "always", {}, ONE),
    Case("NoliConsumerStalled", "work, and no commit",
         {_LAG.format(_GROUP): "0x3 7x10", _COMMIT: "0x20"}, SUPPRESS),
    Case("NoliConsumerStalled", "no beacon of one of its partitions",
         {_OWN.format(0): "0x20", _OWN.format(1): "0+60x20"}, ({"process": "suppress-0"},)),
    Case("NoliConsumerStalled", "a beacon a second",
         {_OWN.format(0): "0+60x20", _OWN.format(1): "0+60x20"}),
    Case("NoliConsumerStalled", "the partition is another's now",
         {_OWN.format(0): "0x2 stale", _OWN.format(1): "0+60x20"}),
    Case("NoliConsumerStalled", "nothing to do", {_LAG.format(_GROUP): "0x20", _COMMIT: "0x20"}),
    Case("NoliConsumerStalled", "behind, and getting on",
         {_LAG.format(_GROUP): "900x20", _COMMIT: "0+60x20"}),
    Case("NoliConsumerStalled", "an application that is down has its own alert",
         {_LAG.format(_APP): "7x20",
          _COMMIT.replace("noli.suppress", "noli.app.crm"): "0x20"}),
    Case("NoliConsumerStalled", "it ended (NoliProcessDown says so)",
         {_LAG.format(_GROUP): "7x3 stale", _COMMIT: "0x3 stale"}),
    Case("NoliConsumerRewound", "once", {_REWINDS: "0x5 1x10"}, SUPPRESS, "8m"),
    Case("NoliConsumerRewound", "found at a first start", {_REWINDS: "_x5 1x10"}, SUPPRESS, "7m"),
    Case("NoliConsumerRewound", "never", {_REWINDS: "0x20"}),
    Case("NoliConsumerRewound", "a restart", {_REWINDS: "1x15 0x10"}, at="20m"),
    Case("NoliLagGrowing", "older every minute", {_SECONDS.format("noli.objections"): "0+30x30"},
         SUPPRESS, "20m"),
    Case("NoliLagGrowing", "getting over it", {_SECONDS.format("noli.objections"): "900-30x30"},
         at="20m"),
    Case("NoliLagGrowing", "a load waits for its turn", {_SECONDS.format("noli.bulk"): "0+30x30"},
         at="20m"),
    Case("NoliUnderMinIsr", "a broker away", {
        'noli_topic_under_min_isr_partitions{topic="noli.objections"}': "0x2 3x10"},
         ({"topic": "noli.objections"},), "6m"),
    Case("NoliUnderMinIsr", "all in step",
         {'noli_topic_under_min_isr_partitions{topic="noli.objections"}': "0x10"}),
    Case("NoliClockSkew", "3 s behind", {'noli_clock_skew_seconds{peer="broker"}': "-3x10"},
         ({"peer": "broker"},), "6m"),
    Case("NoliClockSkew", "1 s ahead", {'noli_clock_skew_seconds{peer="broker"}': "1x10"}),
)  # fmt: skip

_OVER = "noli_campaigns_over_silent_ratio"
_BREACH = 'noli_campaign_breaches_total{kind="late_cut"}'

_CAMPAIGNS: Final = (
    Case("NoliCampaignOver", "one of two watchers has one",
         {f'{_OVER}{{instance="a"}}': "0x5 1x10", f'{_OVER}{{instance="b"}}': "0x15"}, ONE, "8m"),
    Case("NoliCampaignOver", "back within the ratio", {_OVER: "1x5 0x10"}, at="8m"),
    Case("NoliCampaignOver", "the watcher that said so ended", {_OVER: "1x3 stale"}, at="8m"),
    Case("NoliSilentCallBreach", "a call cut late", {_BREACH: "0x5 1x10"},
         ({"kind": "late_cut"},), "10m"),
    Case("NoliSilentCallBreach", "none", {_BREACH: "0x20"}, at="10m"),
    Case("NoliSilentCallBreach", "a restart counts from 0 again", {_BREACH: "3x70 0x20"},
         at="80m"),
)  # fmt: skip

CASES: Final = (*_BURNS, *_ALIGNMENT, *_CORRECTNESS, *_PIPELINE, *_CAMPAIGNS)
