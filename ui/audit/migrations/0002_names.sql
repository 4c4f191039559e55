-- +goose Up
-- Where each tag's changes are, also those that share an entry. It follows from
-- audit, proves nothing, and can be made anew.
CREATE TABLE audit_names (
    name TEXT NOT NULL,    -- REPOSITORY:TAG, as the site lists it
    id   BIGINT NOT NULL,  -- of the entry
    PRIMARY KEY (name, id)
) WITHOUT ROWID;
INSERT INTO audit_names (name, id)
    SELECT target, id FROM audit WHERE substr(action, 1, 4) = 'tag.' AND substr(after, 1, 9) <> '[{"name":';
INSERT OR IGNORE INTO audit_names (name, id)
    SELECT json_extract(listed.value, '$.name'), audit.id
    FROM audit CROSS JOIN json_each(CASE WHEN json_valid(audit.after) THEN audit.after ELSE '[]' END) AS listed
    WHERE substr(audit.action, 1, 4) = 'tag.' AND substr(audit.after, 1, 9) = '[{"name":'
        AND json_extract(listed.value, '$.name') IS NOT NULL;

-- +goose Down
DROP TABLE audit_names;
