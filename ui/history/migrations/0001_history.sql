-- +goose Up
CREATE TABLE history (
    step           BIGINT NOT NULL, -- seconds of the time that a sample is of: a minute or an hour
    at             BIGINT NOT NULL, -- when that time begins, a multiple of the step; seconds since 1970
    seconds        BIGINT NOT NULL, -- for so long the traffic was counted
    sent_bytes     BIGINT NOT NULL,
    requests       BIGINT NOT NULL,
    received_bytes BIGINT NOT NULL,
    store_bytes    BIGINT NOT NULL,
    trash_bytes    BIGINT NOT NULL,
    free_bytes     BIGINT NOT NULL,
    tags           BIGINT NOT NULL,
    PRIMARY KEY (step, at)
) WITHOUT ROWID; -- samples that follow each other share a page

-- +goose Down
DROP TABLE history;
