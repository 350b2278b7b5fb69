//! The engine's tables. One text for both engines; `{blob}` is bytes.

use naru_store::migrate::Migration;

/// Forward-only steps.
pub const SCHEMA: &[Migration] = &[
    Migration { version: 1, name: "operations, locks, record", oldest: "0.1", sql: FIRST },
    Migration { version: 2, name: "reminders", oldest: "0.1", sql: REMINDERS },
];

const REMINDERS: &str = "
-- What a person is told who is not looking. taken_until: when whoever took it to tell it has ended.
CREATE TABLE operation_reminder (
    id {blob} NOT NULL PRIMARY KEY, reminder_key TEXT NOT NULL, reminder TEXT NOT NULL, at BIGINT NOT NULL,
    taken_until BIGINT NOT NULL, told_at BIGINT);
CREATE UNIQUE INDEX operation_reminder_key ON operation_reminder (reminder_key);
CREATE INDEX operation_reminder_untold ON operation_reminder (at) WHERE told_at IS NULL;
-- The last operation on each target.
CREATE INDEX operation_target_own ON operation_target (target, operation) WHERE target = scope;
";

const FIRST: &str = "
-- state: planned (waits for a second person), queued, running, done, failed, cancelled, lapsed. request: what the kind
-- plans from. undoes: the operation that this one takes back. cancelled_by: who asked a running one to end early.
CREATE TABLE operation_run (
    id {blob} NOT NULL PRIMARY KEY, kind TEXT NOT NULL, request TEXT NOT NULL, title TEXT NOT NULL, plan TEXT NOT NULL,
    hash TEXT NOT NULL, steps BIGINT NOT NULL, state TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
    approval TEXT NOT NULL, approved_by TEXT NOT NULL, break_glass TEXT NOT NULL, undoes {blob},
    cancelled_by TEXT NOT NULL, why TEXT NOT NULL, created_at BIGINT NOT NULL, queued_at BIGINT, started_at BIGINT,
    ended_at BIGINT, expires_at BIGINT NOT NULL, asked_key TEXT NOT NULL);
CREATE UNIQUE INDEX operation_run_asked ON operation_run (asked_key) WHERE asked_key <> '';
CREATE INDEX operation_run_open ON operation_run (queued_at, id) WHERE ended_at IS NULL;
CREATE INDEX operation_run_undoes ON operation_run (undoes) WHERE undoes IS NOT NULL;

-- Where an operation is told of outside, in that place's own words: a message of a chat that shows how it stands.
CREATE TABLE operation_card (
    operation {blob} NOT NULL, place TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (operation, place));
CREATE INDEX operation_card_at ON operation_card (at);

-- A target's own name is one of its scopes.
CREATE TABLE operation_target (
    operation {blob} NOT NULL, target TEXT NOT NULL, scope TEXT NOT NULL, PRIMARY KEY (operation, target, scope));
CREATE INDEX operation_target_scope ON operation_target (scope, operation);

-- state: begun, done, failed; a step that has not begun has no row. why: what it waits for, or why it failed.
CREATE TABLE operation_step (
    operation {blob} NOT NULL, number BIGINT NOT NULL, state TEXT NOT NULL, tries BIGINT NOT NULL,
    begun_at BIGINT NOT NULL, ended_at BIGINT, note TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (operation, number));

CREATE TABLE operation_lock (
    id {blob} NOT NULL PRIMARY KEY, scope TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL,
    from_at BIGINT NOT NULL, until_at BIGINT NOT NULL);
CREATE INDEX operation_lock_until ON operation_lock (until_at);

-- Only ever added to: nothing in naru changes or removes a row. number: in the order of commits, without a gap.
CREATE TABLE operation_record (
    number BIGINT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, operation {blob}, event TEXT NOT NULL, person TEXT NOT NULL,
    data TEXT NOT NULL);
CREATE INDEX operation_record_operation ON operation_record (operation, number) WHERE operation IS NOT NULL;

-- One row, which whoever adds to the record holds until its commit: so numbers come in the order of commits, and whoever
-- takes the record elsewhere number by number misses nothing.
CREATE TABLE operation_record_last (place BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL);
INSERT INTO operation_record_last (place, number) VALUES (0, 0);
";
