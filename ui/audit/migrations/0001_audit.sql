-- +goose Up
-- Entries are added and never changed. Ids ascend from 1 without gaps.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY,
    at       BIGINT NOT NULL,   -- milliseconds since 1970
    actor    TEXT NOT NULL,     -- name
    kind     TEXT NOT NULL,     -- of the actor
    address  TEXT NOT NULL,
    via      TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    before   TEXT NOT NULL,     -- JSON; '' for nothing
    after    TEXT NOT NULL,     -- JSON; '' for nothing
    outcome  TEXT NOT NULL,
    request  TEXT NOT NULL,     -- id of the request; '' when there is none
    previous BLOB NOT NULL,     -- hash of the entry before
    hash     BLOB NOT NULL      -- over all of the above
);

-- How many entries there are, and the hash of the last: entries that are missing
-- at the end are missed.
CREATE TABLE audit_head (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    entries BIGINT NOT NULL,
    hash    BLOB NOT NULL
);
INSERT INTO audit_head (one, entries, hash) VALUES (1, 0, zeroblob(32));

-- What a mistake could do is refused here. What somebody does who may drop these
-- is for the hashes to tell.
-- +goose StatementBegin
CREATE TRIGGER audit_insert BEFORE INSERT ON audit
WHEN NEW.id IS NOT (SELECT entries + 1 FROM audit_head)
BEGIN SELECT RAISE(ABORT, 'the audit log grows at its end only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'entries of the audit log do not change'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'entries of the audit log do not go'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_head_insert BEFORE INSERT ON audit_head
BEGIN SELECT RAISE(ABORT, 'the audit log has one head'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head
WHEN NEW.one IS NOT 1 OR NEW.entries IS NOT OLD.entries + 1
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the audit log keeps its head'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_head;
DROP TABLE audit;
