-- +goose Up
-- The blob that a session is of, when that is known from the start; '' when the
-- client tells it at the end.
ALTER TABLE uploads ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE INDEX uploads_digest ON uploads (digest) WHERE digest <> '';

-- What runs of the mirrors did, the history of an appliance.
CREATE TABLE mirror_runs (
    id         TEXT PRIMARY KEY,
    mirrors    TEXT NOT NULL,     -- JSON list of names
    trigger    TEXT NOT NULL,     -- schedule, manual
    state      TEXT NOT NULL,     -- running, done, partial, failed, canceled, interrupted
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    report     TEXT NOT NULL      -- JSON: what changed, or why nothing did
);
CREATE INDEX mirror_runs_started ON mirror_runs (started_at);

-- +goose Down
DROP TABLE mirror_runs;
DROP INDEX uploads_digest;
ALTER TABLE uploads DROP COLUMN digest;
