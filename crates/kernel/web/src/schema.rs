//! The tables of people and of what they sign in with. Secrets are columns of hashes.

use naru_store::migrate::Migration;

/// Whose tables these are, as migrations are keyed.
pub const NAME: &str = "web";

/// The steps of the schema.
pub const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "people, sessions, sign-in links, tokens, sign-in record",
    oldest: "0.1",
    sql: "
CREATE TABLE web_person (
    name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, password TEXT,
    created_at BIGINT NOT NULL, created_by TEXT NOT NULL, disabled BIGINT NOT NULL);
CREATE TABLE web_session (
    hash {blob} NOT NULL PRIMARY KEY, person TEXT NOT NULL, via TEXT NOT NULL,
    started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, peer TEXT NOT NULL, agent TEXT NOT NULL);
CREATE INDEX web_session_person ON web_session (person);
CREATE TABLE web_link (
    hash {blob} NOT NULL PRIMARY KEY, person TEXT NOT NULL, expires_at BIGINT NOT NULL);
CREATE TABLE web_token (
    hash {blob} NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
    created_at BIGINT NOT NULL, created_by TEXT NOT NULL, used_at BIGINT);
CREATE TABLE web_sign_in (
    id {blob} NOT NULL PRIMARY KEY, at BIGINT NOT NULL, person TEXT NOT NULL, outcome TEXT NOT NULL,
    peer TEXT NOT NULL, agent TEXT NOT NULL);
CREATE INDEX web_sign_in_at ON web_sign_in (at);
",
}];
