package sitevalues

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// What a site says is kept as it was, apart from the defaults, and counts before them;
// what is unset has its default again.
func TestSet(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	given := map[string]any{"replicas": int64(3), "share": 0.25, "hosts": []any{"a", map[string]any{"n": int64(1 << 60)}}, "domain": "example.org", "password": secret}
	s.must(s.Set(t.Context(), "edge", d, Patch{Set: given}))
	got, err := s.Given(t.Context(), "edge")
	if s.must(err); !reflect.DeepEqual(got, given) {
		t.Errorf("%#v, want %#v", got, given)
	}
	all, err := s.Resolve(t.Context(), "edge", d)
	if s.must(err); all["network"] != "10.0.0.0/8" || all["replicas"] != int64(3) || all["password"] != secret {
		t.Errorf("%#v", all)
	}
	s.must(s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"share": 1.0}, Unset: []string{"replicas"}}))
	if all, err = s.Resolve(t.Context(), "edge", d); err != nil || all["replicas"] != int64(2) || all["share"] != 1.0 {
		t.Errorf("%#v, %v", all, err)
	}
	if v := s.shown(d, "replicas"); v.State != Default || v.Value != nil {
		t.Errorf("%+v", v)
	}
	other, err := s.Given(t.Context(), "other")
	if s.must(err); len(other) != 0 {
		t.Errorf("another scope has %v", other)
	}
	want := []Change{
		{ChangeSet, "edge", map[string]any{}, map[string]any{"replicas": int64(3), "share": 0.25, "hosts": given["hosts"], "domain": "example.org", "password": Hidden}},
		{ChangeSet, "edge", map[string]any{"replicas": int64(3), "share": 0.25}, map[string]any{"share": int64(1)}},
	}
	if !reflect.DeepEqual(s.changes, want) {
		t.Errorf("told %+v, want %+v", s.changes, want)
	}
	for revision, want := range map[int64]error{1: registry.ErrConflict, 3: registry.ErrConflict, 2: nil} {
		if err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"domain": "example.org"}, Revision: &revision}); !errors.Is(err, want) {
			t.Errorf("revision %d: %v", revision, err)
		}
	}
	if l, err := s.Show(t.Context(), "edge", d); err != nil || l.Revision != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	if len(s.changes) != 2 {
		t.Errorf("the same value is told as a change: %+v", s.changes[2:])
	}
}

// A value that breaks a rule is refused by the rule's name, with all others of the same
// change; a sensitive one is not repeated.
func TestRules(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	for _, c := range []struct {
		name  string
		value any
		rule  string
	}{
		{"replicas", int64(6), "max"}, {"replicas", "3", "type"}, {"replicas", 2.5, "type"}, {"replicas", nil, "type"},
		{"domain", "Not A Domain", "pattern"}, {"password", "PASSWORD-in-capitals", "pattern"}, {"nosuch", "x", "unknown"},
	} {
		err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{c.name: c.value, "share": 1.5}})
		rule := (*variable.RuleError)(nil)
		if !errors.As(err, &rule) || rule.Rule != c.rule || rule.Variable != c.name || !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s = %v: %v, want rule %s", c.name, c.value, err, c.rule)
		} else if strings.Contains(err.Error(), "PASSWORD") {
			t.Errorf("%v", err)
		}
	}
	if err := s.Set(t.Context(), "edge", d, Patch{Unset: []string{"domain"}}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("unset of what was never set: %v", err)
	}
	if err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"share": 1.5}, Unset: []string{"share"}}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("set and unset: %v", err)
	}
	if err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"hosts": []any{strings.Repeat("x", maxValue)}}}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("too large: %v", err)
	}
	for _, scope := range []string{"", "a b", "a\x00", strings.Repeat("x", 600)} {
		if err := s.Set(t.Context(), scope, d, Patch{}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("scope %.20q: %v", scope, err)
		}
	}
	two := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"replicas": int64(9), "domain": "?"}})
	if two == nil || !strings.Contains(two.Error(), "replicas") || !strings.Contains(two.Error(), "domain") {
		t.Errorf("two wrong values: %v", two)
	}
	s.refuse = errors.New("the log is full")
	if err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"share": 1.5}}); !errors.Is(err, s.refuse) {
		t.Errorf("a change that cannot be told: %v", err)
	}
	if got, err := s.Given(t.Context(), "edge"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v: something was changed", got, err)
	}
	if v := s.shown(d, "domain"); v.State != Missing || v.Problem == "" {
		t.Errorf("required without a value: %+v", v)
	}
	if _, err := s.Resolve(t.Context(), "edge", d); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("required without a value: %v", err)
	}
}

// What is immutable can be changed until the scope is locked, and again after.
func TestImmutable(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.set(d, "network", "10.1.0.0/16")
	s.set(d, "network", "10.2.0.0/16")
	s.must(s.Lock(t.Context(), "edge"))
	s.must(s.Lock(t.Context(), "edge"))
	for _, p := range []Patch{
		{Set: map[string]any{"network": "10.0.0.0/8"}}, {Unset: []string{"network"}}, {Set: map[string]any{"seed": "x"}},
	} {
		err := s.Set(t.Context(), "edge", d, p)
		if rule := (*variable.RuleError)(nil); !errors.As(err, &rule) || rule.Rule != "immutable" {
			t.Errorf("%+v: %v", p, err)
		}
	}
	s.set(d, "network", "10.2.0.0/16") // which it is
	s.set(d, "replicas", int64(1))
	if l, err := s.Show(t.Context(), "edge", d); err != nil || !l.Locked {
		t.Errorf("%+v, %v", l, err)
	}
	s.must(s.Unlock(t.Context(), "edge"))
	s.must(s.Unlock(t.Context(), "edge"))
	s.must(s.Set(t.Context(), "edge", d, Patch{Unset: []string{"network"}}))
	s.must(s.Lock(t.Context(), "edge"))
	s.set(d, "network", "10.0.0.0/8") // the default, which a cluster has
	s.must(s.Set(t.Context(), "edge", d, Patch{Unset: []string{"network"}}))
	kinds := ""
	for _, c := range s.changes {
		kinds += c.Kind[len("values."):] + " "
	}
	if kinds != "set set lock set unlock set lock set set " {
		t.Errorf("told %s", kinds)
	}
}

// A sensitive value is nowhere but in what is asked for by who renders: not on the
// disk, not in lists, not in what is told. It stays sealed when a later definition does
// not call it sensitive, and is sealed when a later one does.
func TestSealed(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.set(d, "password", secret)
	s.set(d, "password", secret+"-2")
	info, err := os.Stat(s.keyFile())
	if s.must(err); info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %s", info.Mode())
	}
	open := edge()
	open.Variables[4].Sensitive = false
	open.Variables[4].Pattern = "[A-Z]+"
	for _, of := range []*definition.Definition{d, open, {Name: "edge"}} {
		l, err := s.Show(t.Context(), "edge", of)
		s.must(err)
		rows, err := s.Compare(t.Context(), "edge", d, of)
		s.must(err)
		text, err := json.Marshal([]any{l, rows, s.changes})
		if s.must(err); bytes.Contains(text, []byte("s3cret")) || !bytes.Contains(text, []byte(`"value":"set"`)) {
			t.Errorf("%s", text)
		}
	}
	s.set(open, "password", strings.ToUpper("secret"))
	if v := s.shown(open, "password"); v.Value != Hidden || !v.Sealed {
		t.Errorf("%+v", v)
	}
	if strings.Contains(s.files(), "s3cret") || strings.Contains(s.files(), "SECRET") {
		t.Error("the disk has the secret")
	}
	s.set(d, "domain", "once.open.example")
	closed := edge()
	closed.Variables[3].Sensitive = true
	s.set(closed, "replicas", int64(1))
	if v := s.shown(d, "domain"); v.Value != Hidden || !v.Sealed {
		t.Errorf("%+v", v)
	}
	if got, err := s.Given(t.Context(), "edge"); err != nil || got["domain"] != "once.open.example" || got["password"] != "SECRET" {
		t.Errorf("%v, %v", got, err)
	}
}

// A sealed value is of use at its own place only, with its own key, and as it was.
func TestSealedElsewhere(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.set(d, "password", secret)
	read := func() error {
		_, err := s.Given(t.Context(), "edge")
		return err
	}
	must := func(query string, args ...any) {
		t.Helper()
		s.must(s.db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(query, args...)
			return err
		}))
	}
	for _, move := range []string{`UPDATE site_values SET name = 'domain'`, `UPDATE site_values SET scope = 'edge', name = 'seed'`} {
		must(move)
		if err := read(); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", move, err)
		}
		if v := s.shown(d, "domain"); v.State == Given {
			t.Errorf("%+v", v)
		}
	}
	must(`UPDATE site_values SET name = 'password'`)
	s.must(read())
	var sealed []byte
	s.must(s.db.Read.QueryRow(`SELECT sealed FROM site_values`).Scan(&sealed))
	for i := range sealed {
		spoilt := bytes.Clone(sealed)
		spoilt[i] ^= 1
		if _, err := s.keys.open(spoilt, "edge", "password"); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := s.keys.open(sealed[:i], "edge", "password"); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	key, err := os.ReadFile(s.keyFile())
	s.must(err)
	s.must(os.Remove(s.keyFile()))
	if err := read(); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), s.keyFile()) {
		t.Errorf("without the key: %v", err)
	}
	if v := s.shown(d, "password"); v.State != Unreadable || v.Value != Hidden {
		t.Errorf("%+v", v)
	}
	rows, err := s.Compare(t.Context(), "edge", d, d)
	if s.must(err); rows[4].State != Broken || rows[4].Problem == "" {
		t.Errorf("%+v", rows[4])
	}
	s.set(d, "seed", "another") // makes another key
	if err := read(); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "another key") {
		t.Errorf("with another key: %v", err)
	}
	s.set(d, "password", "new-one")
	s.must(read())
	s.must(os.WriteFile(s.keyFile(), key, 0o644)) // out of a backup
	if err := read(); err == nil {
		t.Error("two keys are one")
	}
	if info, err := os.Stat(s.keyFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, wrong := range []string{"", "landfall-values-key-1:", "landfall-values-key-1:AAAA\n", "landfall-values-key-2:" + base64.StdEncoding.EncodeToString(make([]byte, 32)), string(key) + "x"} {
		s.must(os.WriteFile(s.keyFile(), []byte(wrong), 0o600))
		if err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"password": "x"}}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("key file %.30q: %v", wrong, err)
		}
	}
}

// Values are there after a restart, also by another process.
func TestRestart(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.set(d, "password", secret)
	s.must(s.Lock(t.Context(), "edge"))
	again := openSite(t, s.dir)
	if got, err := again.Given(t.Context(), "edge"); err != nil || got["password"] != secret {
		t.Errorf("%v, %v", got, err)
	}
	if locked, err := again.Locked(t.Context(), "edge"); err != nil || !locked {
		t.Errorf("%v, %v", locked, err)
	}
}

// An upgrade is told variable by variable: what stays ours, what is theirs, what is new
// and what is gone, and what has to be done before.
func TestCompare(t *testing.T) {
	t.Parallel()
	older, newer := edge(), edge()
	newer.Version = "2.0.0"
	newer.Variables[0].Default = int64(4)                                   // replicas
	newer.Variables[1].Max = most(1)                                        // share
	newer.Variables[5].Default = "10.0.0.0/9"                               // network
	newer.Variables[6].Description = "words"                                // seed
	newer.Variables = append(newer.Variables[:2:2], newer.Variables[3:]...) // without hosts
	newer.Variables = append(newer.Variables, variable.Declaration{Name: "region", Type: variable.String, Required: true}, variable.Declaration{Name: "log", Type: variable.Boolean, Default: true})
	ours := map[string]any{"share": 2.0, "hosts": []any{"a"}, "domain": "example.org", "password": secret, "gone": "x"}
	got := ""
	for _, r := range Compare(older, newer, ours) {
		got += fmt.Sprintf("%s %s %t %v %v %v %t\n", r.Name, r.State, r.Changed, r.DefaultOld, r.DefaultNew, r.Ours, r.Problem != "")
	}
	want := `replicas theirs true 2 4 <nil> false
share invalid true <nil> <nil> 2 true
domain ours false <nil> <nil> example.org false
password ours false <nil> <nil> set false
network theirs true 10.0.0.0/8 10.0.0.0/9 <nil> true
seed theirs false <nil> <nil> <nil> false
region new true <nil> <nil> <nil> true
log new true <nil> true <nil> false
gone removed true <nil> <nil> x true
hosts removed true <nil> <nil> [a] true
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if same := Compare(older, older, nil); len(same) != len(older.Variables) || same[0].Changed || same[0].State != Theirs {
		t.Errorf("%+v", same)
	}
}

// Values that a definition has no variable for are listed as such, and can be unset.
func TestUnknown(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.set(d, "share", 0.5)
	next := edge()
	next.Variables = next.Variables[:1]
	if v := s.shown(next, "share"); v.State != Unknown || v.Value != 0.5 || v.Problem == "" {
		t.Errorf("%+v", v)
	}
	s.must(s.Set(t.Context(), "edge", next, Patch{Unset: []string{"share"}}))
	next.Variables[0].Max = most(1)
	s.set(d, "replicas", int64(3))
	l, err := s.Show(t.Context(), "edge", next)
	if s.must(err); len(l.Problems()) != 1 || l.Problems()[0].State != Invalid || !strings.Contains(l.Problems()[0].Problem, "max") {
		t.Errorf("%+v", l)
	}
}

// Decode takes one JSON value, whole numbers as such, and does not repeat what is none.
func TestDecode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{`1`: int64(1), `-9007199254740993`: int64(-9007199254740993), `1.5`: 1.5, `1e3`: 1000.0, `99999999999999999999`: 1e20,
		`"a"`: "a", `null`: nil, `[1,{"a":2.5}]`: []any{int64(1), map[string]any{"a": 2.5}}} {
		if got, err := Decode([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `s3cret`, `1 2`, `{"a":1}]`, `1e999`, `"`, `{"s3cret"`} {
		if _, err := Decode([]byte(text)); !errors.Is(err, registry.ErrInvalid) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Whatever is decoded is kept as it is.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{`1`, `1.0`, `-0`, `1e3`, `9223372036854775808`, `"a"`, `[[]]`, `{"a":{"b":null}}`, `"\ud800"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		value, err := Decode(content)
		if err != nil {
			return
		}
		once := normal(value)
		if again := normal(once); !reflect.DeepEqual(again, once) {
			t.Errorf("%s: %#v, then %#v", content, once, again)
		}
	})
}

// What is no key of ours is refused, and what is, seals.
func FuzzParseKey(f *testing.F) {
	f.Add([]byte(keyPrefix + base64.StdEncoding.EncodeToString(make([]byte, keySize)) + "\n"))
	f.Add([]byte(keyPrefix))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if key, err := parseKey(content); err == nil && len(key) != keySize {
			t.Errorf("%q: a key of %d bytes", content, len(key))
		}
	})
}

// What is listed has the revision that it is of, whatever is said meanwhile: else
// somebody would overwrite what they have not seen.
func TestRevisionOfListing(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.changes, s.record = nil, func(context.Context, *sql.Tx, Change) error { return nil }
	d.Variables[0].Max = nil
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := range int64(300) {
			if err := s.Set(t.Context(), "edge", d, Patch{Set: map[string]any{"replicas": n + 1}}); err != nil {
				t.Error(err)
			}
		}
	}()
	defer func() { <-ended }()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		l, err := s.Show(t.Context(), "edge", d)
		s.must(err)
		if v := l.Variables[0]; l.Revision > 0 && v.Value != l.Revision {
			t.Fatalf("revision %d has %v", l.Revision, v.Value)
		}
	}
}

// What stays sealed though a definition does not call it sensitive is not repeated when
// it breaks a rule.
func TestSealedBreaksRule(t *testing.T) {
	t.Parallel()
	s, d := newSite(t), edge()
	s.set(d, "password", secret)
	open := edge()
	open.Variables[4].Sensitive = false
	err := s.Set(t.Context(), "edge", open, Patch{Set: map[string]any{"password": "S3CRET NEXT"}})
	if !errors.Is(err, registry.ErrInvalid) || strings.Contains(err.Error(), "S3CRET") {
		t.Errorf("%v", err)
	}
}
