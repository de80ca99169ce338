"""Rows that say why not: Kafka, state, intake, integrity, budgets."""

from __future__ import annotations

from typing import Final

from deploy.observability.dashboards.panels import RATE, Panel, Query, p99

_APP: Final = 'app=~"$app"'

KAFKA: Final = (
    Panel(
        "Lag in seconds",
        "Measured: for how long the log has held something that is not processed.",
        "s",
        (Query("max by (group, topic) (noli_consumer_lag_seconds)", "{{group}} {{topic}}"),),
    ),
    Panel(
        "Lag in records",
        "By group and topic. Loads (noli.bulk) may wait.",
        "none",
        (Query("sum by (group, topic) (noli_consumer_lag_records)", "{{group}} {{topic}}"),),
    ),
    Panel(
        "Rebalances, refused commits, rewinds",
        "A storm: workers die or stall. Rewinds are never normal.",
        "none",
        (
            Query(f"sum by (group) (increase(noli_rebalances_total{RATE}))", "{{group}} moves"),
            Query(f"sum by (group) (increase(noli_commit_failures_total{RATE}))", "{{group}} shut"),
            Query(
                f"sum by (group) (increase(noli_consumer_rewinds_total{RATE}))",
                "{{group}} back",
            ),
        ),
    ),
    Panel(
        "Copies",
        "Partitions with copies out of step, and those that take no record.",
        "none",
        (
            Query("sum(noli_topic_under_replicated_partitions)", "out of step"),
            Query("sum(noli_topic_under_min_isr_partitions)", "shut"),
        ),
        red=1,
    ),
    Panel(
        "Round trip to the brokers, 99 %",
        "Of the slowest client of each process.",
        "s",
        (
            Query(
                'max by (process, broker) (noli_kafka_broker_rtt_seconds{quantile="0.99"})',
                "{{process}} {{broker}}",
            ),
        ),
    ),
    Panel(
        "Trouble with the brokers",
        "By kind. All kinds at once: a broker was restarted.",
        "ops",
        (
            Query(f"sum by (kind) (rate(noli_kafka_broker_errors_total{RATE}))", "{{kind}}"),
            Query("count(noli_kafka_broker_up == 0)", "clients without a broker"),
        ),
    ),
    Panel(
        "Queues in the clients",
        "Records that wait to be sent: the broker does not keep up. Operations: our loop does not.",
        "none",
        (
            Query("sum by (process) (noli_kafka_queue_messages)", "{{process}} records"),
            Query("sum by (process) (noli_kafka_queue_operations)", "{{process}} operations"),
        ),
    ),
    Panel(
        "Clock skew",
        "What append times prove of the brokers' clock.",
        "s",
        (Query("noli_clock_skew_seconds", "{{process}} {{peer}}"),),
    ),
    Panel(
        "Records not confirmed",
        "By topic and whether they may stand in the log all the same.",
        "none",
        (
            Query(
                f"sum by (topic, outcome) (increase(noli_produce_failures_total{RATE}))",
                "{{topic}} {{outcome}}",
            ),
        ),
    ),
)

STATE: Final = (
    Panel(
        "Partitions owned",
        "By worker. 0 everywhere: nobody decides.",
        "none",
        (Query("noli_owned_partitions", "{{process}}"),),
    ),
    Panel(
        "Keys in the state",
        "As RocksDB estimates them, indexes too.",
        "none",
        (Query("noli_state_entries", "{{process}}"),),
    ),
    Panel(
        "Restore",
        "What is left to be read, and how long the last one took.",
        "none",
        (
            Query("noli_state_restore_remaining_records", "{{process}} records left"),
            Query("noli_state_restore_duration_seconds", "{{process}} last, seconds"),
        ),
    ),
)

WORK: Final = (
    Panel(
        "Records processed",
        "By lane.",
        "ops",
        (Query(f"sum by (topic) (rate(noli_records_processed_total{RATE}))", "{{topic}}"),),
    ),
    Panel(
        "Verdicts that changed by themselves",
        "Their moment came, or their source was revoked. A burst at midnight is normal.",
        "ops",
        (
            Query(f"sum(rate(noli_wakes_total{RATE}))", "moments"),
            Query(f"sum(rate(noli_swept_total{RATE}))", "sweeps"),
        ),
    ),
    Panel(
        "Versions",
        "Processes of each; after a deployment there is one.",
        "none",
        (Query("count by (version) (noli_build_info)", "{{version}}"),),
    ),
)

INTAKE: Final = (
    Panel(
        "Accepted",
        "By type; canaries left out.",
        "ops",
        (
            Query(
                f'sum by (kind) (rate(noli_events_accepted_total{{source!="canary"}}{RATE}))',
                "{{kind}}",
            ),
        ),
    ),
    Panel(
        "Refused and repeated",
        "Refused: a sender broke, by the wrong field. Repeated: it does not see our answers.",
        "ops",
        (
            Query(
                f"sum by (reason) (rate(noli_events_rejected_total{RATE}))", "refused {{reason}}"
            ),
            Query(f"sum(rate(noli_events_repeated_total{RATE}))", "repeated"),
        ),
    ),
    Panel(
        "A post's way to its receipt, 99 %",
        "The objective: 99.95 % within 1 s.",
        "s",
        (
            Query(
                p99("noli_intake_duration_seconds", "outcome"),
                "{{outcome}}",
            ),
        ),
        red=1,
    ),
    Panel(
        "Checks before contact",
        "By verdict. `suppressed_stale` is the fail-safe in action.",
        "ops",
        (Query(f"sum by (verdict) (rate(noli_contact_checks_total{RATE}))", "{{verdict}}"),),
    ),
    Panel(
        "Age of the copies",
        "Beyond the lease (30 s) everything is denied.",
        "s",
        (Query("time() - (noli_replica_as_of_timestamp_seconds > 0)", "{{process}}"),),
        red=30,
    ),
    Panel(
        "HTTP, 99 %",
        "By route.",
        "s",
        (
            Query(
                p99("noli_http_request_seconds", "route"),
                "{{route}}",
            ),
        ),
    ),
)

INTEGRITY: Final = (
    Panel(
        "Quarantine",
        "Must be 0: each record holds everybody's alignment.",
        "none",
        (Query("max(noli_quarantined_events)", "waiting"),),
        red=1,
    ),
    Panel(
        "Held wrongly, as read back",
        "`allowed`, `missing`, `older` are repaired; `denied` is the application's own.",
        "none",
        (
            Query(
                f"sum by (app, cause) (increase(noli_digest_mismatches_total{{{_APP}}}{RATE}))",
                "{{app}} {{cause}}",
            ),
        ),
    ),
    Panel(
        "Last read back",
        "Twice its period is too long.",
        "s",
        (
            Query(
                f"time() - noli_reconciliation_last_success_timestamp_seconds{{{_APP}}}",
                "{{app}}",
            ),
        ),
    ),
)

BURNS: Final = (
    Panel(
        "Objections late, share",
        "Budget: 0.1 %. 1.44 % over an hour pages.",
        "percentunit",
        (
            Query("noli:propagation_late:ratio_rate5m", "{{app}} 5m"),
            Query("noli:propagation_late:ratio_rate1h", "{{app}} 1h"),
            Query("noli:propagation_late:ratio_rate3d", "{{app}} 3d"),
        ),
    ),
    Panel(
        "Posts late, share",
        "Budget: 0.05 %.",
        "percentunit",
        (
            Query("noli:intake_late:ratio_rate5m", "5m"),
            Query("noli:intake_late:ratio_rate1h", "1h"),
            Query("noli:intake_late:ratio_rate3d", "3d"),
        ),
    ),
    Panel(
        "Not aligned, share of the time",
        "Budget: 0.1 %.",
        "percentunit",
        (
            Query("noli:alignment_late:ratio_rate1h", "1h"),
            Query("noli:alignment_late:ratio_rate3d", "3d"),
        ),
    ),
)
