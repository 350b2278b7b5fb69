//! The tables of leases and of those who hold them.

use naru_store::migrate::Migration;

/// Whose tables these are, as migrations are keyed.
pub const NAME: &str = "job";

/// The steps of the schema.
pub const SCHEMA: &[Migration] = &[
    Migration {
        version: 1,
        name: "leases, instances",
        oldest: "0.1",
        sql: "
-- fence only grows; expires_at is by the database's clock; holder is empty where nobody has it.
CREATE TABLE job_lease (
    name TEXT NOT NULL PRIMARY KEY, fence BIGINT NOT NULL, holder TEXT NOT NULL, expires_at BIGINT NOT NULL);

-- seen_at and drain_until are by the database's clock; busy: what runs there, by name, as JSON.
CREATE TABLE job_instance (
    name TEXT NOT NULL PRIMARY KEY, version TEXT NOT NULL, started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL,
    drain_until BIGINT NOT NULL, busy TEXT NOT NULL);
",
    },
    Migration {
        version: 2,
        name: "what an instance says of its gate",
        oldest: "0.1",
        sql: "
-- state: open, closed (a drain holds the gate, so that busy only shrinks), stopped.
ALTER TABLE job_instance ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
",
    },
    Migration {
        version: 3,
        name: "runs of jobs",
        oldest: "0.1",
        sql: "
-- The last run of each job, by the database's clock. ended_at is before started_at while it runs, and stays so where it
-- was cut off. due_at: the next run; 0 where whoever runs it decides. missed: how often it did not run when it was due.
CREATE TABLE job_run (
    name TEXT NOT NULL PRIMARY KEY, instance TEXT NOT NULL, due_at BIGINT NOT NULL, started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL, outcome TEXT NOT NULL, missed BIGINT NOT NULL, missed_at BIGINT NOT NULL);
",
    },
];
