-- +goose Up
CREATE TABLE upload_files (
    id          TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,               -- the subject who sends it
    state       TEXT NOT NULL,               -- receiving, checking, whole, consumed, failed
    concat      TEXT NOT NULL DEFAULT '',    -- as the client gave it: partial, final;..., '' for a file of its own
    file        TEXT NOT NULL,               -- the data file that its bytes are in
    base        BIGINT NOT NULL DEFAULT 0,   -- where in the data file they begin
    length      BIGINT NOT NULL,
    received    BIGINT NOT NULL DEFAULT 0,   -- so many bytes are on the disk
    hash        BLOB,                        -- state of SHA-256 after them; NULL where it is not kept
    reserved    BIGINT NOT NULL DEFAULT 0,   -- bytes of the length that the file system has set aside
    places      TEXT NOT NULL DEFAULT '',    -- JSON: of a final upload, the data files to be joined
    part_group  TEXT NOT NULL DEFAULT '',    -- of partial uploads that share a data file
    part_total  BIGINT NOT NULL DEFAULT 0,   -- the length of that file
    kind        TEXT NOT NULL DEFAULT '',    -- as declared, then as found
    name        TEXT NOT NULL,               -- for people
    metadata    TEXT NOT NULL DEFAULT '',    -- as the client gave it
    wanted      TEXT NOT NULL DEFAULT '',    -- the digest that the client announced
    fingerprint TEXT NOT NULL DEFAULT '',
    digest      TEXT NOT NULL DEFAULT '',    -- once it is whole
    reason      TEXT NOT NULL DEFAULT '',    -- why it failed
    reason_kind TEXT NOT NULL DEFAULT '',
    job         TEXT NOT NULL DEFAULT '',    -- what works with it
    created_at  BIGINT NOT NULL,             -- milliseconds since 1970, like all times here
    expires_at  BIGINT NOT NULL
);
CREATE INDEX upload_files_owner ON upload_files (owner, id);
CREATE INDEX upload_files_file ON upload_files (file);
CREATE INDEX upload_files_expires ON upload_files (expires_at);
CREATE INDEX upload_files_sums ON upload_files (state, owner, length, received, reserved);

-- +goose Down
DROP TABLE upload_files;
