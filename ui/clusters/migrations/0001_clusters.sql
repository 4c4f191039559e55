-- +goose Up
-- Clusters of the site's hosts.
CREATE TABLE clusters (
    name       TEXT NOT NULL PRIMARY KEY,
    spec       TEXT NOT NULL,                -- JSON: a cluster.Spec
    running    TEXT NOT NULL DEFAULT '',     -- definition NAME:VERSION that it was brought to last
    previous   TEXT NOT NULL DEFAULT '',     -- that it can return to
    staged     TEXT NOT NULL DEFAULT '',     -- that its hosts are getting, or hold already
    keys       BLOB,                         -- sealed JSON: pki.Keys
    password   BLOB,                         -- sealed: of its source
    created_at BIGINT NOT NULL,              -- milliseconds since 1970
    updated_at BIGINT NOT NULL
);

-- What was done to clusters.
CREATE TABLE cluster_runs (
    id         TEXT NOT NULL PRIMARY KEY,    -- ascends with the time
    cluster    TEXT NOT NULL,
    kind       TEXT NOT NULL,                -- form, stage, upgrade, …
    plan       TEXT NOT NULL,                -- JSON: a cluster.Plan
    job        TEXT NOT NULL DEFAULT '',     -- the last one that carries it out
    state      TEXT NOT NULL,                -- running, paused, failed, done, abandoned
    pausing    BIGINT NOT NULL DEFAULT 0,    -- somebody wants it to wait
    reason     TEXT NOT NULL DEFAULT '',     -- why it failed or waits
    idempotent TEXT NOT NULL DEFAULT '',     -- the key with which it was asked for; the same one asks for nothing more
    began_at   BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX cluster_runs_cluster ON cluster_runs (cluster, id);

-- How far runs are.
CREATE TABLE cluster_steps (
    run        TEXT NOT NULL REFERENCES cluster_runs (id) ON DELETE CASCADE,
    step       TEXT NOT NULL,
    state      TEXT NOT NULL,                -- running, done, failed
    attempt    BIGINT NOT NULL,
    output     TEXT NOT NULL DEFAULT '',     -- JSON: of its last operation that has one
    reason     TEXT NOT NULL DEFAULT '',     -- why it failed
    began_at   BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run, step)
);
