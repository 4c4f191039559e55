package auth

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Action is what can be done in a repository.
type Action = string

// The actions. Push and delete bring pull.
const (
	Pull   Action = "pull"
	Push   Action = "push"
	Delete Action = "delete"
)

// actions are all of them, in the order in which they are written.
var actions = []Action{Pull, Push, Delete}

// rightOf is the right that brings an action in all repositories.
var rightOf = map[Action]Right{Pull: ContentRead, Push: ContentWrite, Delete: ContentDelete}

// Grant lets do something in the repositories below a prefix.
type Grant struct {
	Prefix  string   `json:"prefix" doc:"A repository, and all below it; empty: every repository" example:"docker.io/library"`
	Actions []Action `json:"actions" enum:"pull,push,delete" doc:"What may be done there; push and delete bring pull"`
}

// maxGrants bounds the grants of one user or token.
const maxGrants = 100

// normalGrants are grants as they are kept: one for each prefix, as paths, sorted.
func normalGrants(list []Grant) ([]Grant, error) {
	if len(list) > maxGrants {
		return nil, fmt.Errorf("%w: %d grants; at most %d are possible", registry.ErrInvalid, len(list), maxGrants)
	}
	byPrefix := map[string][]Action{}
	for _, g := range list {
		prefix, err := normalPrefix(g.Prefix)
		if err != nil {
			return nil, err
		}
		if len(g.Actions) == 0 {
			return nil, fmt.Errorf("%w: the grant on %q has no actions (pull, push, delete)", registry.ErrInvalid, g.Prefix)
		}
		for _, action := range g.Actions {
			if !slices.Contains(actions, action) {
				return nil, fmt.Errorf("%w: action %q (pull, push, delete)", registry.ErrInvalid, action)
			}
		}
		byPrefix[prefix] = append(append(byPrefix[prefix], Pull), g.Actions...)
	}
	normal := make([]Grant, 0, len(byPrefix))
	for prefix, has := range byPrefix {
		normal = append(normal, Grant{prefix, slices.DeleteFunc(slices.Clone(actions), func(a Action) bool { return !slices.Contains(has, a) })})
	}
	slices.SortFunc(normal, func(a, b Grant) int { return strings.Compare(a.Prefix, b.Prefix) })
	return normal, nil
}

// normalPrefix is a prefix as repository paths begin with it.
func normalPrefix(prefix string) (string, error) {
	path := strings.TrimSuffix(prefix, "/")
	if path == "" {
		if prefix == "/" {
			return "", fmt.Errorf("%w: prefix %q; the empty one is every repository", registry.ErrInvalid, prefix)
		}
		return "", nil
	}
	path = strings.TrimSuffix(registry.RepositoryPath(path+"/"), "/")
	if !registry.ValidRepositoryPath(path) {
		return "", fmt.Errorf("%w: prefix %q is not the beginning of a repository's name", registry.ErrInvalid, prefix)
	}
	return path, nil
}

// covers reports whether the grant reaches a repository's path.
func (g Grant) covers(path string) bool {
	rest, ok := strings.CutPrefix(path, g.Prefix)
	return ok && (g.Prefix == "" || rest == "" || rest[0] == '/')
}

func granted(list []Grant, action Action, path string) bool {
	return slices.ContainsFunc(list, func(g Grant) bool { return slices.Contains(g.Actions, action) && g.covers(path) })
}

// querier is a transaction, or what reads outside of one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// grantsOf reads the grants of some holders.
func grantsOf(ctx context.Context, q querier, holders ...string) (map[string][]Grant, error) {
	byHolder := map[string][]Grant{}
	for chunk := range slices.Chunk(holders, 100) {
		args := make([]any, len(chunk))
		for i, h := range chunk {
			args[i] = h
		}
		rows, err := q.QueryContext(ctx, `SELECT holder, prefix, actions FROM auth_grants WHERE holder IN (?`+strings.Repeat(`, ?`, len(chunk)-1)+`) ORDER BY holder, prefix`, args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var holder, list string
			var g Grant
			if err := rows.Scan(&holder, &g.Prefix, &list); err != nil {
				return nil, err
			}
			g.Actions = strings.Fields(list)
			byHolder[holder] = append(byHolder[holder], g)
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return byHolder, nil
}

// setGrants replaces the grants of a holder by normal ones.
func setGrants(ctx context.Context, tx *sql.Tx, holder string, list []Grant) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM auth_grants WHERE holder = ?`, holder); err != nil {
		return err
	}
	for _, g := range list {
		if _, err := tx.ExecContext(ctx, `INSERT INTO auth_grants (holder, prefix, actions) VALUES (?, ?, ?)`, holder, g.Prefix, strings.Join(g.Actions, " ")); err != nil {
			return err
		}
	}
	return nil
}
