package audit

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Filter says which records are wanted. The zero Filter is the newest ones.
type Filter struct {
	Actor   string    // name
	Action  string    // or its start: "tag." for all that happened to tags
	Target  string    // or a part of it; also of the names that one entry lists
	Outcome string    // as it was written
	Since   time.Time // the earliest
	Until   time.Time // the first that is too late
	Before  int64     // id: only older ones, for the next page
	Limit   int       // at most so many; 100 when 0
}

// where is the condition in SQL.
func (f Filter) where() (condition string, args []any) {
	parts := []string{"1"}
	add := func(part string, values ...any) {
		parts, args = append(parts, part), append(args, values...)
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	if f.Actor != "" {
		add("actor = ?", f.Actor)
	}
	if f.Action != "" {
		add("substr(action, 1, length(?)) = ?", f.Action, f.Action)
	}
	if f.Target != "" {
		add("(instr(target, ?) > 0 OR substr(after, 1, length(?)) = ? AND instr(after, ?) > 0)", f.Target, listStart, listStart, f.Target)
	}
	if f.Outcome != "" {
		add("outcome = ?", f.Outcome)
	}
	if !f.Since.IsZero() {
		add("at >= ?", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		add("at < ?", f.Until.UnixMilli())
	}
	return strings.Join(parts, " AND "), args
}

// List returns records, the newest first. It proves nothing: see Verify.
func (l *Log) List(ctx context.Context, f Filter) ([]Record, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	condition, args := f.where()
	rows, err := l.db.Read.QueryContext(ctx, `SELECT `+columns+` FROM audit WHERE `+condition+` ORDER BY id DESC LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer rows.Close()
	list := []Record{}
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, *r)
	}
	return list, rows.Err()
}
