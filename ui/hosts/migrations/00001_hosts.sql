-- +goose Up
-- Hosts that were linked. Times are milliseconds since 1970; 0: never.
CREATE TABLE hosts (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    key        BLOB NOT NULL,                -- SHA-256 of its public key
    cluster    TEXT NOT NULL DEFAULT '',     -- that it belongs to
    version    TEXT NOT NULL DEFAULT '',     -- of its agent
    address    TEXT NOT NULL DEFAULT '',     -- from which it called last
    inventory  TEXT NOT NULL DEFAULT '',     -- JSON: a host.Inventory
    linked_at  BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL,              -- of its certificate
    gone_at    BIGINT NOT NULL DEFAULT 0,    -- when it was unlinked
    told_at    BIGINT NOT NULL DEFAULT 0     -- when its agent was told so first
);
CREATE UNIQUE INDEX hosts_name ON hosts (name) WHERE gone_at = 0;
CREATE UNIQUE INDEX hosts_key ON hosts (key) WHERE gone_at = 0;

-- Tokens with which hosts can link. None is in a backup: one that was used up since would
-- be good again.
CREATE TABLE host_tokens (
    id         TEXT NOT NULL PRIMARY KEY,
    secret     BLOB NOT NULL,                -- its SHA-256
    maker      TEXT NOT NULL,                -- who made it
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    failures   BIGINT NOT NULL DEFAULT 0,    -- how often its secret was wrong
    host       TEXT NOT NULL DEFAULT ''      -- id of the host that has used it up
);
