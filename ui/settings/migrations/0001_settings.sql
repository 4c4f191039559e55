-- +goose Up
-- What administrators changed while the appliance ran: one row, or none before
-- the first change.
CREATE TABLE settings (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    version    BIGINT NOT NULL,  -- counts the changes, from 1
    document   TEXT NOT NULL,    -- JSON object: lists of texts by the field's name
    changed_at BIGINT NOT NULL   -- milliseconds since 1970
);
