-- +goose Up
-- When a tag in the trash was set; an undo gives it that age back.
ALTER TABLE trash ADD COLUMN updated_at BIGINT;

-- +goose Down
ALTER TABLE trash DROP COLUMN updated_at;
