-- +goose Up
-- What a site says to the variables of definitions. A scope is the name of a
-- definition. Who says nothing has no row: defaults are the definition's.
CREATE TABLE site_values (
    scope      TEXT NOT NULL,
    name       TEXT NOT NULL,   -- of the variable
    value      TEXT,            -- JSON; NULL when it is sealed
    sealed     BLOB,            -- see seal.go; NULL when it is not
    changed_at BIGINT NOT NULL, -- milliseconds since 1970
    PRIMARY KEY (scope, name),
    CHECK ((value IS NULL) <> (sealed IS NULL))
);
-- Scopes of which something was said, or that are locked: then immutable values stay
-- as they are.
CREATE TABLE site_scopes (
    scope     TEXT PRIMARY KEY,
    revision  BIGINT NOT NULL, -- counts the changes of values, from 1
    locked_at BIGINT           -- milliseconds since 1970; NULL: it is not locked
);
