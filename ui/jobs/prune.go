package jobs

import (
	"context"
	"database/sql"
	"time"
)

// prune forgets jobs of a kind that have ended long ago, or too many ago, but of
// each subject not the last one. Their lines and steps go with them.
func (p *Pool) prune(ctx context.Context, tx *sql.Tx, kind string) error {
	oldest := time.Now().Add(-time.Duration(p.history.Load())).UnixMilli()
	_, err := tx.ExecContext(ctx, `DELETE FROM jobs WHERE kind = ? AND state IN `+ended+`
		AND (ended_at < ? OR id < (SELECT id FROM jobs WHERE kind = ? AND state IN `+ended+` ORDER BY id DESC LIMIT 1 OFFSET ?))
		AND id < (SELECT MAX(id) FROM jobs AS later WHERE later.kind = jobs.kind AND later.subject = jobs.subject AND later.state IN `+ended+`)`,
		kind, oldest, kind, p.opts.Keep-1)
	return err
}

// forBackups makes sure that where a backup is restored nothing begins by itself
// that was under way here, and keeps backups small.
var forBackups = []string{
	`UPDATE jobs SET state = 'failed', ended_at = COALESCE(heartbeat_at, started_at, created_at), waits_for = '', lease_owner = '', lease_until = NULL,
		error = '{"kind":"interrupted","message":"it was under way when the backup was taken that was restored here; retry it if it is still wanted"}'
		WHERE state IN ` + live,
	`DELETE FROM job_lines`,
	`DELETE FROM job_keys`,
}
