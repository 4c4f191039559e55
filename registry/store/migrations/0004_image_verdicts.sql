-- +goose Up
-- What was found out about the signatures of images when they came. Rows of
-- images that are gone do no harm: the next one of that digest is judged anew.
CREATE TABLE image_verdicts (
    path      TEXT NOT NULL,
    digest    TEXT NOT NULL,
    verdict   TEXT NOT NULL,      -- JSON
    judged_at BIGINT NOT NULL,
    PRIMARY KEY (path, digest)
);

-- +goose Down
DROP TABLE image_verdicts;
