-- +goose Up
CREATE TABLE jobs (
    id               TEXT PRIMARY KEY,          -- ascends with time
    kind             TEXT NOT NULL,
    subject          TEXT NOT NULL,             -- '' when there is none
    state            TEXT NOT NULL,             -- queued, running, waiting, done, failed, cancelled
    attempt          BIGINT NOT NULL DEFAULT 0, -- how often it was begun
    crashes          BIGINT NOT NULL DEFAULT 0, -- ends without a farewell since it last got further
    args             TEXT NOT NULL,             -- JSON, like result, error, cursor and progress
    result           TEXT,
    error            TEXT,
    cursor           TEXT,
    progress         TEXT,
    owner            TEXT NOT NULL,
    owner_kind       TEXT NOT NULL,
    exclusive        TEXT NOT NULL,             -- one live job has it; '' for any number
    waits_for        TEXT NOT NULL DEFAULT '',
    cancel_requested BIGINT NOT NULL DEFAULT 0,
    created_at       BIGINT NOT NULL,           -- milliseconds since 1970, like all times here
    started_at       BIGINT,
    ended_at         BIGINT,
    lease_owner      TEXT NOT NULL DEFAULT '',  -- the process that runs it
    lease_until      BIGINT,                    -- its process renews it until then, or is gone
    heartbeat_at     BIGINT                     -- the last sign of life of the code itself
);
CREATE INDEX jobs_state ON jobs (state, kind, id);
CREATE INDEX jobs_kind ON jobs (kind, subject, id);
CREATE UNIQUE INDEX jobs_exclusive ON jobs (exclusive) WHERE exclusive <> '' AND state IN ('queued', 'running', 'waiting');

-- The idempotency keys that led to a job: one that was joined has several.
CREATE TABLE job_keys (
    owner      TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    TEXT NOT NULL,  -- hash of what was asked for
    job        TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (owner, owner_kind, key)
);
CREATE INDEX job_keys_job ON job_keys (job);

CREATE TABLE job_steps (
    job      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    n        BIGINT NOT NULL,  -- ascends from 1
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (job, name)
);

CREATE TABLE job_lines (
    job     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    n       BIGINT NOT NULL,  -- ascends from 1
    at      BIGINT NOT NULL,
    level   BIGINT NOT NULL,  -- as in log/slog
    message TEXT NOT NULL,
    data    TEXT,             -- JSON
    PRIMARY KEY (job, n)
);

-- +goose Down
DROP TABLE job_lines;
DROP TABLE job_steps;
DROP TABLE job_keys;
DROP TABLE jobs;
