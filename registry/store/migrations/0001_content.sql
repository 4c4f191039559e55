-- +goose Up
CREATE TABLE repositories (
    id   INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,  -- as served: docker.io/library/nginx, 10.0.0.5_5000/team/app
    name TEXT NOT NULL          -- the original name: 10.0.0.5:5000/team/app
);

-- A row is written only after the blob is whole and durable in its file.
CREATE TABLE blobs (
    digest     TEXT PRIMARY KEY,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL  -- milliseconds since 1970, like all times here
);

CREATE TABLE repository_blobs (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX repository_blobs_digest ON repository_blobs (digest);

-- Manifests are small and live here, with their exact bytes.
CREATE TABLE manifests (
    digest        TEXT PRIMARY KEY,
    media_type    TEXT NOT NULL,
    artifact_type TEXT NOT NULL,
    subject       TEXT,           -- the digest that it refers to
    annotations   TEXT NOT NULL,  -- JSON object
    content       BLOB NOT NULL,
    created_at    BIGINT NOT NULL
);
CREATE INDEX manifests_subject ON manifests (subject);

-- What a manifest names: its blobs and, for an index, its children. Children
-- may be absent (sparse index).
CREATE TABLE manifest_references (
    manifest TEXT NOT NULL REFERENCES manifests (digest),
    digest   TEXT NOT NULL,
    kind     TEXT NOT NULL,       -- blob, manifest
    PRIMARY KEY (manifest, digest)
);
CREATE INDEX manifest_references_digest ON manifest_references (digest);

CREATE TABLE repository_manifests (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT NOT NULL REFERENCES manifests (digest),
    PRIMARY KEY (repository_id, digest)
);
CREATE INDEX repository_manifests_digest ON repository_manifests (digest);

CREATE TABLE tags (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    name          TEXT NOT NULL,
    digest        TEXT NOT NULL REFERENCES manifests (digest),
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name)
);
CREATE INDEX tags_digest ON tags (digest);

CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    algorithm  TEXT NOT NULL,     -- what is hashed while the bytes arrive
    created_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE uploads;
DROP TABLE tags;
DROP TABLE repository_manifests;
DROP TABLE manifest_references;
DROP TABLE manifests;
DROP TABLE repository_blobs;
DROP TABLE blobs;
DROP TABLE repositories;
