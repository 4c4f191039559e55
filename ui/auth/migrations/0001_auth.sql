-- +goose Up
-- Who is known. Times are milliseconds since 1970.
CREATE TABLE auth_users (
    id                  TEXT PRIMARY KEY,
    name                TEXT NOT NULL,
    folded              TEXT NOT NULL UNIQUE,    -- the name in small letters
    display             TEXT NOT NULL,
    role                TEXT NOT NULL,
    restricted          BIGINT NOT NULL,         -- 1: to the repositories of the grants
    password            TEXT NOT NULL,           -- PHC string; '': logs in elsewhere only
    disabled            BIGINT NOT NULL,
    issuer              TEXT NOT NULL,           -- of OpenID Connect; '': a local user
    subject             TEXT NOT NULL,
    created_at          BIGINT NOT NULL,
    password_changed_at BIGINT,
    last_login_at       BIGINT,
    epoch               BIGINT NOT NULL,         -- what was handed out in an earlier one has ended
    version             BIGINT NOT NULL
);
CREATE UNIQUE INDEX auth_users_subject ON auth_users (issuer, subject) WHERE issuer <> '';

-- Personal tokens have an owner, robots have none.
CREATE TABLE auth_tokens (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    folded       TEXT NOT NULL,
    owner        TEXT REFERENCES auth_users (id) ON DELETE CASCADE,
    secret       BLOB NOT NULL,                  -- its SHA-256
    role         TEXT NOT NULL,
    rights       TEXT NOT NULL,                  -- separated by spaces; '': those of the role
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT,
    last_address TEXT NOT NULL,
    epoch        BIGINT NOT NULL,
    version      BIGINT NOT NULL
);
CREATE INDEX auth_tokens_owner ON auth_tokens (owner);
CREATE UNIQUE INDEX auth_tokens_robots ON auth_tokens (folded) WHERE kind = 'robot' AND revoked_at IS NULL;

-- What users and tokens may do below a prefix.
CREATE TABLE auth_grants (
    holder  TEXT NOT NULL,                       -- id of a user or token
    prefix  TEXT NOT NULL,                       -- without a slash at its end; '': everything
    actions TEXT NOT NULL,                       -- separated by spaces
    PRIMARY KEY (holder, prefix)
);

CREATE TABLE auth_sessions (
    id         TEXT PRIMARY KEY,                 -- SHA-256 of what the browser has
    holder     TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
    data       BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL
);
CREATE INDEX auth_sessions_holder ON auth_sessions (holder);
CREATE INDEX auth_sessions_expiry ON auth_sessions (expires_at);

-- The secret of the first start, while there is no user.
CREATE TABLE auth_setup (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    secret     BLOB NOT NULL,                    -- its SHA-256
    expires_at BIGINT NOT NULL,
    attempts   BIGINT NOT NULL                   -- with a wrong one
);

-- Who failed to log in, and until when the next attempt has to wait.
CREATE TABLE auth_attempts (
    who      TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    until    BIGINT NOT NULL,
    last_at  BIGINT NOT NULL
);
CREATE INDEX auth_attempts_last ON auth_attempts (last_at);

-- Where users have logged in from.
CREATE TABLE auth_addresses (
    holder  TEXT NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (holder, address)
);

-- Keys that sign the registry's tokens.
CREATE TABLE auth_keys (
    id         TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL UNIQUE,
    seed       BLOB NOT NULL,                    -- of Ed25519
    created_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE auth_keys;
DROP TABLE auth_addresses;
DROP TABLE auth_attempts;
DROP TABLE auth_setup;
DROP TABLE auth_sessions;
DROP TABLE auth_grants;
DROP TABLE auth_tokens;
DROP TABLE auth_users;
