-- +goose Up
-- Runs of the mirrors are jobs of the appliance now.
DROP TABLE mirror_runs;
-- What was attached is remembered by jobs, too.
DELETE FROM documents WHERE name = 'attached';

-- +goose Down
CREATE TABLE mirror_runs (
    id         INTEGER PRIMARY KEY,
    mirrors    TEXT NOT NULL,
    trigger    TEXT NOT NULL,
    state      TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    crashes    BIGINT NOT NULL DEFAULT 0,
    outcome    TEXT NOT NULL,
    report     TEXT NOT NULL
);
