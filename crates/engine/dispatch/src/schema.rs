//! The engine's tables. One text for both engines; `{blob}` is bytes.

use naru_store::migrate::Migration;

/// Forward-only steps.
pub const SCHEMA: &[Migration] = &[
    Migration { version: 1, name: "the engine's tables", oldest: "0.1", sql: FIRST },
    Migration { version: 2, name: "how a request left", oldest: "0.1", sql: OUTLET },
    Migration { version: 3, name: "shares of caps", oldest: "0.1", sql: SHARES },
    Migration { version: 4, name: "what came to which state when", oldest: "0.1", sql: HISTORY },
    Migration { version: 5, name: "campaigns that wait for a word", oldest: "0.1", sql: HELD },
    Migration { version: 6, name: "who was shown an address", oldest: "0.1", sql: ACCESS },
    Migration { version: 7, name: "what was found in a file", oldest: "0.1", sql: SUMMARY },
    Migration { version: 8, name: "counts of frames beside their bodies", oldest: "0.1", sql: COUNTS },
    Migration { version: 9, name: "counts of campaigns without their rows", oldest: "0.1", sql: COVERED },
];

/// What the list of campaigns and the overview sum up, so that they read an index and not a month of rows.
const COVERED: &str = "
DROP INDEX dispatch_side_campaign;
CREATE INDEX dispatch_side_campaign ON dispatch_side (campaign, seq, pending, unknown, sent, failed, expired, suppressed,
    cancelled, delivered, changed_at) WHERE campaign IS NOT NULL;
CREATE INDEX dispatch_frame_campaign ON dispatch_frame (campaign, count) WHERE campaign IS NOT NULL;
DROP INDEX dispatch_side_open;
CREATE INDEX dispatch_side_open ON dispatch_side (lane, shard, priority, seq, campaign, pending) WHERE open = 1;
";

const SUMMARY: &str = "
-- summary: what whoever read the file says of it, in words of its own. instance: where it was read, and what is left there.
ALTER TABLE dispatch_import ADD COLUMN summary TEXT NOT NULL DEFAULT '';
ALTER TABLE dispatch_import ADD COLUMN instance TEXT NOT NULL DEFAULT '';
";

const COUNTS: &str = "
-- An account needs how many messages a frame has, and not the page that its body begins on.
CREATE INDEX dispatch_frame_count ON dispatch_frame (id, count);
";

const ACCESS: &str = "
-- Only ever added to: nothing in naru changes or removes a row, and it outlives the message that it names.
CREATE TABLE dispatch_access (
    id {blob} NOT NULL PRIMARY KEY, at BIGINT NOT NULL, person TEXT NOT NULL, peer TEXT NOT NULL,
    message TEXT NOT NULL, reason TEXT NOT NULL);
";

/// Empty is the lane's own account.
const OUTLET: &str = "
ALTER TABLE dispatch_chunk ADD COLUMN outlet TEXT NOT NULL DEFAULT '';
-- 1: each slot is a request of its own, 0: all are one; none where nobody wrote it down.
ALTER TABLE dispatch_chunk ADD COLUMN single BIGINT;
";

const SHARES: &str = "
-- What of a lane's caps is whose: goes_to is who asked for it, usable_at when nothing that the last one started counts.
CREATE TABLE dispatch_slice (
    lane TEXT NOT NULL, slice BIGINT NOT NULL, shard BIGINT NOT NULL, goes_to BIGINT, usable_at BIGINT NOT NULL,
    PRIMARY KEY (lane, slice));
-- When there was last more to send than the shard's caps let through.
ALTER TABLE dispatch_pace ADD COLUMN busy_at BIGINT NOT NULL DEFAULT 0;
";

const HISTORY: &str = "
-- Counts by ten seconds from `at` on, for charts; a campaign of no bytes is none.
CREATE TABLE dispatch_history (
    at BIGINT NOT NULL, lane TEXT NOT NULL, shard BIGINT NOT NULL, campaign {blob} NOT NULL, sent BIGINT NOT NULL, delivered BIGINT NOT NULL,
    failed BIGINT NOT NULL, expired BIGINT NOT NULL, suppressed BIGINT NOT NULL, cancelled BIGINT NOT NULL,
    unknown BIGINT NOT NULL, PRIMARY KEY (at, lane, shard, campaign));
CREATE INDEX dispatch_history_campaign ON dispatch_history (campaign, at);
";

const HELD: &str = "
-- hold: 1 stays in loading when its file is taken in, until a person lets it go or start_at has come.
ALTER TABLE dispatch_campaign ADD COLUMN hold BIGINT NOT NULL DEFAULT 0;
ALTER TABLE dispatch_campaign ADD COLUMN start_at BIGINT;
";

const FIRST: &str = "
-- A template never changes; a new text is a new version.
CREATE TABLE dispatch_template (
    id TEXT NOT NULL, version BIGINT NOT NULL, text TEXT NOT NULL,
    pushed_at BIGINT NOT NULL, pushed_by TEXT NOT NULL, PRIMARY KEY (id, version));

-- state: loading, running, paused, cancelled. kept: counts of frames that retention removed.
CREATE TABLE dispatch_campaign (
    id {blob} NOT NULL PRIMARY KEY, name TEXT NOT NULL, template TEXT NOT NULL, version BIGINT NOT NULL,
    lane TEXT NOT NULL, purpose TEXT NOT NULL, state TEXT NOT NULL, source TEXT NOT NULL,
    created_at BIGINT NOT NULL, created_by TEXT NOT NULL, started_at BIGINT, kept TEXT NOT NULL);
CREATE INDEX dispatch_campaign_created ON dispatch_campaign (created_at);

-- state: running, complete, cancelled. lines: how far the file is durable, refused lines included.
CREATE TABLE dispatch_import (
    key {blob} NOT NULL PRIMARY KEY, campaign {blob} NOT NULL, state TEXT NOT NULL, holder {blob} NOT NULL,
    expires_at BIGINT NOT NULL, lines BIGINT NOT NULL, accepted BIGINT NOT NULL, refused BIGINT NOT NULL,
    started_at BIGINT NOT NULL, ended_at BIGINT);
CREATE INDEX dispatch_import_campaign ON dispatch_import (campaign);

-- Unit of order, lease and fence; the lease stands in job_lease. shards: of how many it is one. seq: the last place
-- that intake gave.
CREATE TABLE dispatch_shard (
    lane TEXT NOT NULL, shard BIGINT NOT NULL, shards BIGINT NOT NULL, seq BIGINT NOT NULL, paused BIGINT NOT NULL,
    PRIMARY KEY (lane, shard));

-- What a shard's owner keeps of its pace. A row of its own: intake and owner would wait for each other.
CREATE TABLE dispatch_pace (
    lane TEXT NOT NULL, shard BIGINT NOT NULL, day BIGINT NOT NULL, day_used BIGINT NOT NULL, marked_at BIGINT NOT NULL,
    PRIMARY KEY (lane, shard));

-- A campaign's state has changed: gone when the shard's owner has taken notice.
CREATE TABLE dispatch_notice (
    id {blob} NOT NULL, lane TEXT NOT NULL, shard BIGINT NOT NULL, campaign {blob} NOT NULL,
    PRIMARY KEY (lane, shard, id));

CREATE TABLE dispatch_frame (
    id {blob} NOT NULL PRIMARY KEY, campaign {blob}, count BIGINT NOT NULL, accepted_at BIGINT NOT NULL,
    body {blob} NOT NULL);

-- open: 1 has pending, 0 has none, 2 set aside because a byte of it changed.
CREATE TABLE dispatch_side (
    frame {blob} NOT NULL PRIMARY KEY, lane TEXT NOT NULL, shard BIGINT NOT NULL, priority BIGINT NOT NULL,
    seq BIGINT NOT NULL, campaign {blob}, open BIGINT NOT NULL, states {blob} NOT NULL, codes TEXT NOT NULL,
    checksum BIGINT NOT NULL, pending BIGINT NOT NULL, unknown BIGINT NOT NULL, sent BIGINT NOT NULL,
    failed BIGINT NOT NULL, expired BIGINT NOT NULL, suppressed BIGINT NOT NULL, cancelled BIGINT NOT NULL,
    delivered BIGINT NOT NULL, fence BIGINT NOT NULL, changed_at BIGINT NOT NULL);
CREATE INDEX dispatch_side_open ON dispatch_side (lane, shard, priority, seq) WHERE open = 1;
CREATE INDEX dispatch_side_seq ON dispatch_side (lane, shard, seq);
CREATE INDEX dispatch_side_campaign ON dispatch_side (campaign, seq) WHERE campaign IS NOT NULL;
CREATE INDEX dispatch_side_unknown ON dispatch_side (frame) WHERE unknown > 0;
CREATE INDEX dispatch_side_ended ON dispatch_side (changed_at) WHERE open = 0;

-- Started and not ended.
CREATE TABLE dispatch_chunk (
    frame {blob} NOT NULL, first BIGINT NOT NULL, attempt BIGINT NOT NULL, slots {blob} NOT NULL,
    tries BIGINT NOT NULL, adapter BIGINT NOT NULL, started_at BIGINT NOT NULL, deadline BIGINT NOT NULL,
    PRIMARY KEY (frame, first, attempt));

CREATE TABLE dispatch_retry (
    frame {blob} NOT NULL, first BIGINT NOT NULL, slots {blob} NOT NULL, due_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL, tries BIGINT NOT NULL, PRIMARY KEY (frame, first));

-- Three bytes an address or a trace id: where it may be.
CREATE TABLE dispatch_find (frame {blob} NOT NULL PRIMARY KEY, prints {blob} NOT NULL);

-- Receipts that are stored and not merged yet.
CREATE TABLE dispatch_receipt (
    id {blob} NOT NULL PRIMARY KEY, lane TEXT NOT NULL, shard BIGINT NOT NULL, stored_by TEXT NOT NULL,
    received_at BIGINT NOT NULL, body {blob} NOT NULL);

-- The days that have a table of idempotency keys.
CREATE TABLE dispatch_key_day (day BIGINT NOT NULL PRIMARY KEY);

CREATE TABLE dispatch_secret (name TEXT NOT NULL PRIMARY KEY, value {blob} NOT NULL);
";
