"""The matrix of faults, F1 to F30: what is broken, how, what must hold, and where that is tried.

`tests` name the tests that do it; faults of the rig's own rounds are found by the row's id in
`rounds`. What this machine, or this release, cannot do is said in `missing`, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_RIG: Final = "tests/chaos/test_rig.py::"
SHORT_ROUND: Final = f"{_RIG}test_no_objection_is_lost_or_lifted_under_the_most_telling_faults"
LONG_ROUND: Final = f"{_RIG}test_no_objection_is_lost_or_lifted_under_every_fault"


def _at(file: str, test: str) -> str:
    return f"tests/{file}.py::{test}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `oracle`: besides what the checker holds every run to."""

    id: str
    fault: str
    how: str
    oracle: str
    tests: tuple[str, ...] = ()
    missing: str = ""


MATRIX: Final = (
    Row(
        "F1",
        "kill -9 of the intake",
        "failpoints before and after the append, before the answer; SIGKILL on a timer",
        "a 2xx means a record at the place it names; the same post again is one event",
        (
            _at("chaos/test_failpoints", "test_a_process_killed_there_loses_nothing"),
            _at(
                "integration/test_intake_process",
                "test_a_killed_intake_loses_nothing_it_acknowledged",
            ),
        ),
    ),
    Row(
        "F2",
        "kill -9 of a stream worker",
        "failpoints between outputs, state and commit; SIGKILL 0.1 to 1 s after each start",
        "what is held is the fold of the log; nobody goes back",
        (
            _at(
                "chaos/test_plant_in_process",
                "test_an_owner_that_lost_its_partition_commits_nothing",
            ),
            _at("chaos/test_failpoints", "test_a_process_killed_there_loses_nothing"),
            _at("chaos/test_law", "test_what_is_held_is_the_fold_of_the_log"),
        ),
    ),
    Row(
        "F3",
        "kill -9 of a connector between applying and committing",
        "failpoints; SIGKILL on a timer",
        "the application may hear it twice, never an older version; a receipt only of what it has",
        (
            _at("chaos/test_failpoints", "test_a_process_killed_there_loses_nothing"),
            _at(
                "integration/test_connector_runner",
                "test_a_crash_between_applying_and_the_receipt_repeats_it",
            ),
            _at(
                "integration/test_connector_process",
                "test_nothing_is_lost_when_the_process_is_killed",
            ),
        ),
    ),
    Row(
        "F4",
        "kill -9 of the replica or of who reads it",
        "SIGKILL at any instruction; on a timer in the rig",
        "denied until the frontier is back; a torn copy is never read",
        (
            _at("chaos/test_failpoints", "test_a_process_killed_there_loses_nothing"),
            _at("chaos/test_replica_kill", "test_killed_at_any_point_nobody_is_told_wrong"),
        ),
    ),
    Row(
        "F5",
        "kill -9 of a broker, rolling restart, leaders chased",
        "SIGKILL and SIGTERM of brokers in turn",
        "all that was acknowledged is in the log",
        (
            _at(
                "chaos/test_broker",
                "test_after_a_broker_restart_objections_propagate_and_answers_are_fresh",
            ),
        ),
    ),
    Row(
        "F6",
        "a broker stopped for 5 to 30 s",
        "SIGSTOP, SIGCONT",
        "no loss; producers fail aloud",
        (),
        "120 s are not held: librdkafka's own limits are long past at 30 s",
    ),
    Row(
        "F7",
        "the last replica standing loses its newest records",
        "two brokers stopped, the third killed, the tails of its segments cut off, all started",
        "nothing acknowledged is missing: it stands on two, and who lost it does not lead",
    ),
    Row(
        "F8",
        "slow, narrow, torn, cut and one-way lines",
        "nine kinds of toxics on each of: intake, stream workers, connectors, replica and broker;"
        " connector and application; worker and registry; broker and broker",
        "conservation; no watermark ahead of the truth",
    ),
    Row(
        "F9",
        "swizzle-clog",
        "pairs clogged one by one, let go in another order",
        "the same",
    ),
    Row(
        "F10",
        "a full disk: broker, state, copy",
        "a small ext4 on a loop device, filled; the process killed on it",
        "503, never a 2xx; fail-stop; no half copy; all well once there is room",
        (
            _at(
                "integration/test_replica_hardship",
                "test_a_full_disk_ends_the_writer_and_breaks_nothing",
            ),
            _at(
                "integration/test_replica_hardship",
                "test_a_disk_too_small_for_the_copy_publishes_none",
            ),
        ),
    ),
    Row(
        "F11",
        "damaged or old state: bytes flipped, files cut or deleted, an old copy put back",
        "tables, manifest and directories of a stopped worker; pages under a running one; the files"
        " of schema ids and of the connectors' ledgers",
        "refused and built again from the log, or a valid prefix that is caught up",
        (
            _at("chaos/test_damage", "test_damaged_state_is_built_again_from_the_log"),
            _at("chaos/test_damage", "test_yesterdays_state_put_back_regresses_nobody"),
            _at("unit/test_registry_cache", "test_damaged_ids_are_asked_for_again"),
            _at("unit/test_connectors_ledger", "test_a_row_that_a_disk_changed_is_not_believed"),
            _at("unit/test_runtime_restore", "test_a_broken_copy_is_thrown_away"),
            _at("chaos/test_one_writer", "test_a_state_directory_of_yesterday_is_caught_up"),
            _at("chaos/test_replica_damage", "test_damage_never_allows"),
            _at(
                "integration/test_replica",
                "test_yesterdays_copy_put_back_is_stale_and_then_caught_up",
            ),
        ),
    ),
    Row(
        "F12",
        "duplicates, reordering within a key and across partitions",
        "a third of all facts twice, all of them shuffled",
        "the same state, to the byte",
        (
            _at("chaos/test_law", "test_what_is_held_is_the_fold_of_the_log"),
            _at("unit/domain/test_join", "test_the_order_of_facts_changes_nothing"),
        ),
    ),
    Row(
        "F13",
        "late, future and absurd dates",
        "facts of 1970 and of next year, days late, around the change of the clocks",
        "an objection counts from its acceptance; a consent from the future lifts nothing",
        (
            _at(
                "unit/domain/test_rule_objection",
                "test_an_objection_that_arrives_late_still_counts_from_its_acceptance",
            ),
            _at("unit/domain/test_rule_objection", "test_nothing_takes_effect_from_the_future"),
            _at("unit/domain/test_times", "test_evidence_of_1970_is_old_evidence"),
        ),
    ),
    Row(
        "F14",
        "the whole history again, old consents with new offsets",
        "every record appended a second time",
        "nothing is lifted, nothing is written again",
        (_at("chaos/test_law", "test_what_is_held_is_the_fold_of_the_log"),),
    ),
    Row(
        "F15",
        "poison: no magic, cut Avro, unknown schema, 1 MB, no key, no value, no UTF-8",
        "written to the lanes by hand; any bytes (Hypothesis)",
        "its contact is denied, kept for a human, and the partition goes on",
        (
            _at("integration/test_end_to_end", "test_poison_under_a_contact_denies_that_contact"),
            _at("unit/test_suppress", "test_poison_denies_its_contact_and_is_kept_whole"),
            _at("contract/test_codec", "test_any_bytes_decode_or_are_unreadable"),
        ),
    ),
    Row(
        "F16",
        "contracts that change while records flow",
        "fields added, enums widened, old readers of new records and the reverse",
        "the incompatible is refused; an unknown symbol reads as the most restrictive",
        (
            _at("integration/test_registry", "test_a_contract_may_grow_and_may_not_break"),
            _at("integration/test_registry", "test_an_old_reader_reads_what_a_newer_one_wrote"),
            _at(
                "contract/test_schemas", "test_every_enum_falls_back_to_the_most_restrictive_symbol"
            ),
        ),
    ),
    Row(
        "F17",
        "the registry away, slow, wrong",
        "its proxy down; toxics on it; workers restarted meanwhile",
        "ids known to the disk suffice; an unknown id denies its contact",
        (),
        "a registry restored with other ids is refused by the contract's hash beside each id "
        "(noli/runtime/registry.py), and not tried here",
    ),
    Row(
        "F18",
        "an application away or misbehaving: 500, 429, 302, 207, hanging, dripping, lying",
        "scripts per request and per contact; its proxy down",
        "the others do not notice; the newest verdict in the end; not aligned meanwhile",
        (
            _at(
                "integration/test_connector_bad_app",
                "test_whatever_it_does_it_ends_with_the_newest",
            ),
            _at(
                "integration/test_app_life", "test_an_application_that_lies_is_found_out_by_itself"
            ),
        ),
        "an hour's outage and an expired certificate are not waited for",
    ),
    Row(
        "F19",
        "applied, and the answer lost",
        "the application closes the connection after keeping it",
        "one row, one version",
        (
            _at(
                "integration/test_connector_bad_app",
                "test_whatever_it_does_it_ends_with_the_newest",
            ),
        ),
    ),
    Row(
        "F20",
        "an application put back to a backup",
        "the dialer's table and the memory of a webhook application, put back",
        "its read-back takes away what it wrongly allows; a backfill gives the rest",
        (
            _at(
                "integration/test_connector_bad_app",
                "test_an_application_restored_from_a_backup_is_made_whole_by_a_backfill",
            ),
        ),
    ),
    Row(
        "F21",
        "clocks ten minutes off, and stepping back",
        "libfaketime: each process ten minutes behind, then ahead beyond the lease, then right",
        "offsets are not touched; nothing stale is called fresh; nothing is lifted",
        (
            _at("chaos/test_clocks", "test_a_wrong_clock_lifts_nothing_and_freshens_nothing"),
            _at(
                "chaos/test_one_writer",
                "test_a_successor_whose_clock_is_behind_gives_no_older_version",
            ),
            _at("unit/test_intake_logtime", "test_nothing_is_accepted_before_what_the_log_holds"),
        ),
        "a receipt bears its connector's own clock, right or wrong; the broker dates it too",
    ),
    Row(
        "F22",
        "a storm of rebalances; two processes of one name",
        "workers stopped, killed and started every second or two; a twin of a static member",
        "no gap, no commit of a stale owner",
        (
            _at(
                "chaos/test_one_writer",
                "test_of_two_workers_that_believe_to_own_everything_one_ends",
            ),
        ),
    ),
    Row(
        "F23",
        "a zombie: stopped past its session, continued",
        "SIGSTOP for twice the session, SIGCONT",
        "its late writes are passed over and written over",
        (
            _at("chaos/test_one_writer", "test_a_worker_stopped_past_its_session_regresses_nobody"),
            _at("chaos/test_kill", "test_a_worker_paused_past_its_session_regresses_nobody"),
        ),
    ),
    Row(
        "F24",
        "a backfill over writes, a snapshot during writes, a crash in a chunk",
        "surveys of an application and exports of a copy under traffic",
        "snapshot and tail are the replay",
        (
            _at("integration/test_app_life", "test_a_backfill_never_goes_back_in_time"),
            _at(
                "integration/test_replica_snapshot",
                "test_a_new_host_starts_from_a_snapshot_and_tails",
            ),
            _at("unit/test_replica_snapshot", "test_a_copy_in_use_is_exported_as_of_one_moment"),
        ),
    ),
    Row(
        "F25",
        "millions of records of lag in the bulk lane",
        "a load, with objections beside it",
        "objections are as fast as without",
        (
            _at("integration/test_processor", "test_a_backlog_behind_does_not_delay_the_lead_lane"),
            _at(
                "integration/test_processor",
                "test_beacons_go_on_and_the_worker_is_ready_behind_a_load",
            ),
        ),
        "ten million are measured by `make bench`, not here (reference/benchmarks/bulk.md)",
    ),
    Row(
        "F26",
        "offsets out of range, a topic deleted and made again, more partitions",
        "records deleted under a reader; a copy of another topic; `topics apply`",
        "an error and a rebuild, never the end of the log; more partitions are refused",
        (
            _at("integration/test_takeover", "test_state_that_is_gone_is_folded_again"),
            _at(
                "integration/test_connector_runner",
                "test_an_offset_beyond_the_end_begins_at_the_beginning",
            ),
            _at(
                "integration/test_replica", "test_a_copy_that_cannot_be_used_denies_and_is_rebuilt"
            ),
            _at("unit/test_runtime_restore", "test_a_copy_of_another_topic_is_rebuilt"),
            _at("unit/test_cli_topics", "test_another_number_of_partitions_is_refused_for_keys"),
        ),
    ),
    Row(
        "F27",
        "starved of CPU, of memory, of file descriptors",
        "stopped for nine tenths of each fifth of a second; RLIMIT_AS and RLIMIT_NOFILE of a"
        " running process set to what it has",
        "fail-stop, no half state",
    ),
    Row(
        "F28",
        "the watcher itself killed",
        "SIGKILL of the process that tells alignment, again and again",
        "what it publishes is never ahead of the truth; its silence is an alarm",
        (
            _at(
                "chaos/test_watch", "test_it_is_never_ahead_of_the_truth_and_right_again_in_seconds"
            ),
            _at("chaos/test_watch", "test_two_watchers_share_and_take_over"),
            _at("integration/test_watched_by_prometheus", "test_a_watcher_that_hangs"),
        ),
    ),
    Row(
        "F29",
        "operators: a group reset, yesterday's state put back, a build of before, two clusters",
        "by hand, by the broker's own tools",
        "an older writer is refused or passed over; a replay lifts nothing",
        (
            _at("chaos/test_one_writer", "test_a_state_directory_of_yesterday_is_caught_up"),
            _at("unit/test_runtime_restore", "test_a_copy_of_another_topic_is_rebuilt"),
        ),
    ),
    Row(
        "F30",
        "the pepper missing, wrong or rotated",
        "started without it, with another one",
        "no start, or no answer but a denial; never a token of another key",
        (
            _at(
                "integration/test_intake_process",
                "test_a_missing_setting_ends_the_start_with_a_clear_line",
            ),
            _at("integration/test_replica_hardship", "test_a_rotated_pepper_builds_another_copy"),
            _at("unit/domain/test_contact", "test_a_pepper_that_protects_nothing_is_refused"),
        ),
        "reading old tokens beside new ones comes with the rotation of keys",
    ),
)
