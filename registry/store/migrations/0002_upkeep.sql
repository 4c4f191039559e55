-- +goose Up
ALTER TABLE repository_blobs ADD COLUMN linked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE repository_manifests ADD COLUMN linked_at BIGINT NOT NULL DEFAULT 0;

-- 1: the digest is a name of its own, brought here without a tag
ALTER TABLE repository_manifests ADD COLUMN named BIGINT NOT NULL DEFAULT 0;

-- What no repository has any more, and since when. It is erased after a while.
ALTER TABLE blobs ADD COLUMN unlinked_at BIGINT;
ALTER TABLE manifests ADD COLUMN unlinked_at BIGINT;
CREATE INDEX blobs_unlinked ON blobs (unlinked_at) WHERE unlinked_at IS NOT NULL;
CREATE INDEX manifests_unlinked ON manifests (unlinked_at) WHERE unlinked_at IS NOT NULL;

-- So many bytes of an upload are on the disk, so many were written while the
-- machine ran as "boot", and these are the states of their hashes.
ALTER TABLE uploads ADD COLUMN synced BIGINT NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN synced_hash BLOB;
ALTER TABLE uploads ADD COLUMN written BIGINT NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN written_hash BLOB;
ALTER TABLE uploads ADD COLUMN boot TEXT NOT NULL DEFAULT '';

-- Earlier versions did not note which untagged manifests were names.
UPDATE repository_manifests SET named = 1 WHERE NOT EXISTS (SELECT 1 FROM tags t
        WHERE t.repository_id = repository_manifests.repository_id AND t.digest = repository_manifests.digest)
    AND NOT EXISTS (SELECT 1 FROM manifest_references mr
        JOIN repository_manifests rm ON rm.digest = mr.manifest AND rm.repository_id = repository_manifests.repository_id
        WHERE mr.digest = repository_manifests.digest AND mr.kind = 'manifest')
    AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.digest = repository_manifests.digest AND m.subject IS NOT NULL);
UPDATE blobs SET unlinked_at = created_at WHERE digest NOT IN (SELECT digest FROM repository_blobs);
UPDATE manifests SET unlinked_at = created_at WHERE digest NOT IN (SELECT digest FROM repository_manifests);

-- Quarantine: content whose bytes are not what its digest says, or are gone.
-- Its row elsewhere stays, so that what it breaks can be told.
CREATE TABLE damaged (
    digest   TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,       -- blob, manifest
    cause    TEXT NOT NULL,
    found_at BIGINT NOT NULL
);

CREATE TABLE pins (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT NOT NULL,
    tag           TEXT NOT NULL,  -- '' when the digest alone is pinned
    owner         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest, tag, owner)
);
CREATE INDEX pins_digest ON pins (digest);

-- What collection took out of repositories, for as long as it can be undone.
CREATE TABLE trash (
    repository_id BIGINT NOT NULL REFERENCES repositories (id),
    digest        TEXT NOT NULL,
    kind          TEXT NOT NULL,  -- blob, manifest
    tag           TEXT NOT NULL,  -- a tag that retention removed; '' for content
    named         BIGINT NOT NULL,
    trashed_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest, kind, tag)
);
CREATE INDEX trash_trashed ON trash (trashed_at);
CREATE INDEX trash_digest ON trash (digest);

-- Small documents: how far a scrub is, the retention policy.
CREATE TABLE documents (
    name    TEXT PRIMARY KEY,
    content TEXT NOT NULL         -- JSON
);

-- +goose Down
DROP TABLE documents;
DROP TABLE trash;
DROP TABLE pins;
DROP TABLE damaged;
ALTER TABLE uploads DROP COLUMN boot;
ALTER TABLE uploads DROP COLUMN written_hash;
ALTER TABLE uploads DROP COLUMN written;
ALTER TABLE uploads DROP COLUMN synced_hash;
ALTER TABLE uploads DROP COLUMN synced;
DROP INDEX manifests_unlinked;
DROP INDEX blobs_unlinked;
ALTER TABLE manifests DROP COLUMN unlinked_at;
ALTER TABLE blobs DROP COLUMN unlinked_at;
ALTER TABLE repository_manifests DROP COLUMN named;
ALTER TABLE repository_manifests DROP COLUMN linked_at;
ALTER TABLE repository_blobs DROP COLUMN linked_at;
