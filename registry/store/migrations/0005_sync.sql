-- +goose Up
-- The blob that a session is of, when that is known from the start; '' when the
-- client tells it at the end.
ALTER TABLE uploads ADD COLUMN digest TEXT NOT NULL DEFAULT '';
CREATE INDEX uploads_digest ON uploads (digest) WHERE digest <> '';

-- What runs of the mirrors did, the history of an appliance. Ids ascend.
CREATE TABLE mirror_runs (
    id         INTEGER PRIMARY KEY,
    mirrors    TEXT NOT NULL,     -- JSON list of names
    trigger    TEXT NOT NULL,     -- manual, schedule, window
    state      TEXT NOT NULL,     -- running, interrupted, or how it ended
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    crashes    BIGINT NOT NULL DEFAULT 0, -- how often its end was not written
    outcome    TEXT NOT NULL,     -- JSON: counts, and what went wrong
    report     TEXT NOT NULL      -- JSON: what changed
);

-- +goose Down
DROP TABLE mirror_runs;
DROP INDEX uploads_digest;
ALTER TABLE uploads DROP COLUMN digest;
