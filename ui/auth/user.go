package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/registry"
)

// User is a person who is known. Names differ in more than the size of letters.
type User struct {
	ID              string    `json:"id"`
	Name            string    `json:"name"`
	Display         string    `json:"display,omitempty" doc:"The name as people write it"`
	Role            Role      `json:"role" enum:"viewer,operator,admin"`
	Restricted      bool      `json:"restricted" doc:"Only the repositories of the grants, instead of all that the role allows"`
	Grants          []Grant   `json:"grants"`
	Disabled        bool      `json:"disabled"`
	HasPassword     bool      `json:"has_password" doc:"False: logs in through the identity provider only"`
	Issuer          string    `json:"issuer,omitempty" doc:"The identity provider that knows the user"`
	Subject         string    `json:"subject,omitempty" doc:"The user's name for the identity provider"`
	Created         time.Time `json:"created"`
	PasswordChanged time.Time `json:"password_changed,omitzero"`
	LastLogin       time.Time `json:"last_login,omitzero"`
	Version         int64     `json:"version" doc:"Counts the changes; a change names the version that it is of"`

	password string
	epoch    int64
}

// namePattern is what users and tokens are called: nothing that looks like
// something else, and no colon (RFC 7617, 2) or $, which is for robots.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?$`)

func checkName(what, name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%w: %s %q (1 to 64 letters and digits, and . _ @ + - between them)", registry.ErrInvalid, what, clip(name))
	}
	return nil
}

// clip shortens what a client sent for an error's text.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

func fold(name string) string { return strings.ToLower(name) }

const maxDisplay = 100

// CheckDisplay is ErrInvalid for what cannot be a display name.
func CheckDisplay(s string) error {
	if utf8.RuneCountInString(s) > maxDisplay || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: the display name has more than %d characters, or some that cannot be shown", registry.ErrInvalid, maxDisplay)
	}
	return nil
}

const userColumns = `id, name, display, role, restricted, password, disabled, issuer, subject, created_at, password_changed_at, last_login_at, epoch, version`

// scanUser reads a row of userColumns, without the grants.
func scanUser(row interface{ Scan(dest ...any) error }) (*User, error) {
	u := &User{}
	var created, changed, login sql.NullInt64
	err := row.Scan(&u.ID, &u.Name, &u.Display, &u.Role, &u.Restricted, &u.password, &u.Disabled, &u.Issuer, &u.Subject, &created, &changed, &login, &u.epoch, &u.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: no such user", registry.ErrNotFound)
	}
	u.HasPassword = u.password != ""
	u.Created, u.PasswordChanged, u.LastLogin = fromMillis(created), fromMillis(changed), fromMillis(login)
	u.Grants = []Grant{}
	return u, err
}

// findUser reads the one user for whom a condition holds.
func findUser(ctx context.Context, q querier, where string, args ...any) (*User, error) {
	u, err := scanUser(q.QueryRowContext(ctx, `SELECT `+userColumns+` FROM auth_users WHERE `+where, args...))
	if err != nil {
		return nil, err
	}
	grants, err := grantsOf(ctx, q, u.ID)
	if err != nil {
		return nil, err
	}
	u.Grants = append(u.Grants, grants[u.ID]...)
	return u, nil
}

// User is the user of an id. ErrNotFound when there is none. Others than oneself
// need the right users.read.
func (a *Auth) User(ctx context.Context, id string) (User, error) {
	if err := itself(ctx, id, UsersRead); err != nil {
		return User{}, err
	}
	u, err := findUser(ctx, a.db.Read, `id = ?`, id)
	if err != nil {
		return User{}, err
	}
	return *u, nil
}

// UserByName is the user of a name, whatever the size of its letters. It needs the
// right users.read.
func (a *Auth) UserByName(ctx context.Context, name string) (User, error) {
	if err := needs(ctx, UsersRead); err != nil {
		return User{}, err
	}
	u, err := findUser(ctx, a.db.Read, `folded = ?`, fold(name))
	if err != nil {
		return User{}, err
	}
	return *u, nil
}

// Users lists users by name, those after one name, at most limit of them. It needs
// the right users.read.
func (a *Auth) Users(ctx context.Context, after string, limit int) ([]User, error) {
	if err := needs(ctx, UsersRead); err != nil {
		return nil, err
	}
	rows, err := a.db.Read.QueryContext(ctx, `SELECT `+userColumns+` FROM auth_users WHERE folded > ? ORDER BY folded LIMIT ?`, fold(after), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []User{}
	var ids []string
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, err
		}
		list, ids = append(list, *u), append(ids, u.ID)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	grants, err := grantsOf(ctx, a.db.Read, ids...)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Grants = append(list[i].Grants, grants[list[i].ID]...)
	}
	return list, nil
}

// insert writes a new user, with its grants.
func (u *User) insert(ctx context.Context, tx *sql.Tx) error {
	var taken string
	switch err := tx.QueryRowContext(ctx, `SELECT name FROM auth_users WHERE folded = ?`, fold(u.Name)).Scan(&taken); {
	case err == nil:
		return fmt.Errorf("%w: there is a user %q", registry.ErrConflict, taken)
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO auth_users (`+userColumns+`, folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.Name, u.Display, string(u.Role), bit(u.Restricted), u.password, bit(u.Disabled), u.Issuer, u.Subject,
		u.Created.UnixMilli(), millis(u.PasswordChanged), millis(u.LastLogin), u.epoch, u.Version, fold(u.Name))
	if err != nil {
		return err
	}
	return setGrants(ctx, tx, u.ID, u.Grants)
}

// update writes a user whose version is the next one. Whatever was handed out in
// an earlier epoch ends.
func (u *User) update(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE auth_users SET display = ?, role = ?, restricted = ?, password = ?, disabled = ?,
		password_changed_at = ?, epoch = ?, version = ? WHERE id = ?`,
		u.Display, string(u.Role), bit(u.Restricted), u.password, bit(u.Disabled), millis(u.PasswordChanged), u.epoch, u.Version, u.ID)
	if err != nil {
		return err
	}
	return setGrants(ctx, tx, u.ID, u.Grants)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
