-- +goose Up
-- What the closure gate found last, by document and platforms.
CREATE TABLE definition_checks (
    document   TEXT NOT NULL,   -- digest
    platforms  TEXT NOT NULL,   -- ascending, with commas between; empty: all of the definition's
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    report     TEXT NOT NULL,   -- JSON: a closure.Report
    checked_at BIGINT NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (document, platforms)
);
CREATE INDEX definition_checks_age ON definition_checks (checked_at);
