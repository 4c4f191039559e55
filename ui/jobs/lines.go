package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	keepLines    = 10_000 // of a job
	keepWarnings = 10_000 // and errors, after those
	maxMessage   = 4 << 10
	maxData      = 16 << 10
	flushLines   = 500 // written at once rather than soon
)

// line is a line on its way to the table.
type line struct {
	n       int64
	at      time.Time
	level   slog.Level
	message string
	data    json.RawMessage
}

func newLine(level slog.Level, message string, data any) line {
	l := line{at: time.Now(), level: level, message: strings.ToValidUTF8(message, "\uFFFD")}
	if len(l.message) > maxMessage {
		cut := maxMessage
		for !utf8.RuneStart(l.message[cut]) {
			cut--
		}
		l.message = l.message[:cut] + "…"
	}
	if data == nil {
		return l
	}
	content, err := json.Marshal(data)
	switch {
	case err != nil:
		l.message += " (" + err.Error() + ")"
	case len(content) > maxData:
		l.message += fmt.Sprintf(" (without its %d bytes of data)", len(content))
	default:
		l.data = content
	}
	return l
}

// backlog numbers lines and keeps those that are not written yet. A job that
// tells too much is cut short: first its information, later its warnings.
type backlog struct {
	last    int64 // the number of the last line
	pending []line
}

func (b *backlog) add(l line) {
	if b.last == keepLines {
		b.put(newLine(slog.LevelWarn, "more was told than is kept: from here on only warnings and errors are", nil))
	}
	switch {
	case b.last > keepLines && l.level < slog.LevelWarn, b.last > keepLines+keepWarnings:
	case b.last == keepLines+keepWarnings:
		b.put(newLine(slog.LevelWarn, "more was told than is kept: nothing further is", nil))
	default:
		b.put(l)
	}
}

func (b *backlog) put(l line) {
	b.last++
	l.n = b.last
	b.pending = append(b.pending, l)
}

// addLine adds a line to a job that does not run.
func addLine(ctx context.Context, tx *sql.Tx, job string, l line) error {
	last, err := lastLine(ctx, tx, job)
	if err != nil {
		return err
	}
	b := backlog{last: last}
	b.add(l)
	return insertLines(ctx, tx, job, b.pending)
}

func lastLine(ctx context.Context, q querier, job string) (n int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT COALESCE(MAX(n), 0) FROM job_lines WHERE job = ?`, job).Scan(&n)
	return n, err
}

func insertLines(ctx context.Context, tx *sql.Tx, job string, lines []line) error {
	if len(lines) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO job_lines (job, n, at, level, message, data) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`) // an earlier try may have come further than its error said
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, l := range lines {
		if _, err := insert.ExecContext(ctx, job, l.n, l.at.UnixMilli(), int(l.level), l.message, text(l.data)); err != nil {
			return err
		}
	}
	return nil
}

// Lines are what a job has told after a line, in order: at most limit, 1000 when 0.
func (p *Pool) Lines(ctx context.Context, id string, after int64, limit int) ([]Line, error) {
	if limit <= 0 {
		limit = 1000
	}
	list, err := p.lines(ctx, id, after, limit)
	if err == nil && len(list) == 0 {
		_, err = find(ctx, p.db.Read, id)
	}
	return list, err
}

func (p *Pool) lines(ctx context.Context, id string, after int64, limit int) (list []Line, err error) {
	rows, err := p.db.Read.QueryContext(ctx,
		`SELECT n, at, level, message, data FROM job_lines WHERE job = ? AND n > ? ORDER BY n LIMIT ?`, id, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		var at sql.NullInt64
		var level int
		var data sql.NullString
		if err := rows.Scan(&l.N, &at, &level, &l.Message, &data); err != nil {
			return nil, err
		}
		l.At, l.Level, l.Data = date(at), levelName(slog.Level(level)), raw(data)
		list = append(list, l)
	}
	return list, rows.Err()
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}
