package audit

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

func newKey(t testing.TB) *trust.PrivateKey {
	t.Helper()
	key, err := trust.Generate(trust.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (k *kit) export() (string, *trust.PrivateKey) {
	k.t.Helper()
	key := newKey(k.t)
	var b bytes.Buffer
	k.must(k.Export(k.t.Context(), &b, key))
	return b.String(), key
}

// append adds entries in one transaction.
func (k *kit) append(n int64) error {
	return k.db.WriteSoon(k.t.Context(), func(tx *sql.Tx) error {
		for i := range n {
			if err := k.Append(k.t.Context(), tx, Entry{Action: "job.start", Target: fmt.Sprint("job ", i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// An export is proven without the site, and says what the list says.
func TestExport(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(pageSize + 3)
	content, key := k.export()
	list, err := k.List(t.Context(), Filter{Limit: pageSize + 3})
	k.must(err)
	seen := len(list)
	cp, err := readExport(strings.NewReader(content), key.ID(), func(r *Record) error {
		seen--
		if want, _ := json.Marshal(list[seen]); !jsonEqual(t, r, want) {
			t.Errorf("entry %d differs from the listed one", r.ID)
		}
		return nil
	})
	if err != nil || seen != 0 || cp.Entries != pageSize+3 || cp.Hash != list[0].Hash || cp.Site != key.ID() {
		t.Errorf("%+v, %v", cp, err)
	}
	none := newKit(t)
	content, key = none.export()
	if cp, err := VerifyExport(strings.NewReader(content), key.ID()); err != nil || cp.Entries != 0 || cp.Hash != noHash {
		t.Errorf("an empty log: %+v, %v", cp, err)
	}
}

func jsonEqual(t *testing.T, r *Record, want []byte) bool {
	t.Helper()
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(got, want)
}

// A bit that flips anywhere in an export is found, and so is each place where it
// can be cut off.
func TestEveryBitOfAnExport(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(3)
	content, key := k.export()
	for i := range content {
		changed := []byte(content)
		changed[i] ^= 1 << (i % 8)
		if _, err := VerifyExport(bytes.NewReader(changed), key.ID()); !errors.Is(err, registry.ErrDigest) {
			t.Errorf("a bit of byte %d (%q): %v", i, content[max(0, i-10):i+1], err)
		}
		if _, err := VerifyExport(strings.NewReader(content[:i]), key.ID()); !errors.Is(err, registry.ErrDigest) {
			t.Errorf("cut off after %d bytes: %v", i, err)
		}
	}
}

// What was done to the lines of an export is told with the entry's id.
func TestForgedExports(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(4)
	content, key := k.export()
	lines := strings.SplitAfter(strings.TrimSuffix(content, "\n"), "\n")
	lines[4] += "\n"
	join := func(order ...int) (s string) {
		for _, i := range order {
			s += lines[i]
		}
		return s
	}
	list, err := k.List(t.Context(), Filter{Before: 2})
	k.must(err)
	stamp := list[0].At.Format("2006-01-02T15:04:05.999Z07:00")
	for _, c := range []struct {
		what, content string
		entry         int64
		fault         string
	}{
		{"nothing", "", 1, "no checkpoint before"},
		{"the first is missing", join(1, 2, 3, 4), 1, "missing; the next one is 2"},
		{"one is missing", join(0, 1, 3, 4), 3, "missing; the next one is 4"},
		{"the last is missing", join(0, 1, 2, 4), 4, "missing; the checkpoint has 4 entries"},
		{"swapped", join(0, 2, 1, 3, 4), 2, "missing; the next one is 3"},
		{"twice", join(0, 1, 1, 2, 3, 4), 2, "where entry 3 has to be"},
		{"no checkpoint", join(0, 1, 2, 3), 5, "no checkpoint before"},
		{"two checkpoints", join(0, 1, 2, 3, 4, 4), 0, "something follows its checkpoint"},
		{"more after it", content + "\n", 0, "something follows its checkpoint"},
		{"an empty line", "\n" + content, 1, "its line: EOF"},
		{"no end", strings.TrimSuffix(content, "\n"), 5, "no checkpoint before"},
		{"another target", strings.Replace(content, "user 2", "user 9", 1), 3, "it was changed"},
		{"another time zone", strings.Replace(content, stamp, strings.Replace(stamp, "Z", "+00:00", 1), 1), 1, "canonical"},
		{"finer time", strings.Replace(content, stamp, strings.Replace(stamp, "Z", "0001Z", 1), 1), 1, "canonical"},
		{"spaces", strings.Replace(content, `"id":1`, `"id": 1`, 1), 1, "canonical"},
		{"a member twice", strings.Replace(content, `"id":1,`, `"id":1,"id":1,`, 1), 1, "canonical"},
		{"another member", strings.Replace(content, `"id":1,`, `"id":1,"note":"x",`, 1), 1, "unknown field"},
		{"escaped otherwise", strings.Replace(content, `a<b`, `a\u003cb`, 1), 1, "it was changed"},
		{"a long line", strings.Repeat("x", maxLine+1) + "\n", 1, "a line of more than"},
		{"an endless line", strings.Repeat("x", 3*maxLine), 1, "a line of more than"},
	} {
		_, err := VerifyExport(strings.NewReader(c.content), key.ID())
		isBroken(t, c.what, err, c.entry, c.fault)
	}
	failed := errors.New("pulled out")
	if _, err := VerifyExport(io.MultiReader(strings.NewReader(content[:100]), failing{failed}), ""); !errors.Is(err, failed) || errors.Is(err, registry.ErrDigest) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// Whoever signs a log that is not the site's is told apart by the key.
func TestOtherSite(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(2)
	content, key := k.export()
	other := newKey(t)
	if _, err := VerifyExport(strings.NewReader(content), other.ID()); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("another site's: %v", err)
	}
	at := strings.Index(content, `{"checkpoint":`)
	var last lastLine
	k.must(json.Unmarshal([]byte(content[at:]), &last))
	var cp Checkpoint
	k.must(json.Unmarshal(last.Checkpoint, &cp))
	sign := func(cp Checkpoint, by *trust.PrivateKey) string {
		signed, err := encode(cp)
		k.must(err)
		s, err := by.Sign(signed)
		k.must(err)
		line, err := encode(lastLine{signed, s.Bundle, hex.EncodeToString(s.Raw)})
		k.must(err)
		return content[:at] + string(line) + "\n"
	}
	if _, err := VerifyExport(strings.NewReader(sign(cp, key)), key.ID()); err != nil {
		t.Fatal(err)
	}
	_, err := VerifyExport(strings.NewReader(sign(cp, other)), "")
	isBroken(t, "signed by another", err, 0, "signature")
	format := cp
	format.Format = "landfall receipt 1"
	_, err = VerifyExport(strings.NewReader(sign(format, key)), key.ID())
	isBroken(t, "another format", err, 0, "format")
	stolen := cp
	stolen.Site = other.ID()
	_, err = VerifyExport(strings.NewReader(sign(stolen, other)), "")
	isBroken(t, "another id", err, 0, "and the key of")
	stolen.Key = string(other.Key.PEM())
	if got, err := VerifyExport(strings.NewReader(sign(stolen, other)), ""); err != nil || got.Site != other.ID() {
		t.Errorf("signed anew: %+v, %v", got, err)
	}
	if _, err := VerifyExport(strings.NewReader(sign(stolen, other)), key.ID()); !errors.Is(err, registry.ErrUntrusted) {
		t.Errorf("signed anew: %v", err)
	}
}

// A log that is broken gets no signature, and a writer that fails none either.
func TestExportOfBroken(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(3)
	failed := errors.New("full")
	if err := k.Export(t.Context(), refusing{failed}, newKey(t)); !errors.Is(err, failed) {
		t.Errorf("a writer that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Export(ctx, io.Discard, newKey(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	k.unguard()
	k.exec(`UPDATE audit SET target = 'x' WHERE id = 2`)
	var b strings.Builder
	err := k.Export(t.Context(), &b, newKey(t))
	isBroken(t, "export", err, 2, "it was changed")
	if strings.Contains(b.String(), "checkpoint") {
		t.Error("it was signed")
	}
}

type refusing struct{ error }

func (r refusing) Write([]byte) (int, error) { return 0, r.error }

// written is an export that no database was needed for.
func written(t testing.TB, entries int) string {
	t.Helper()
	var b bytes.Buffer
	c := newChain()
	for i := range entries {
		r, err := newRecord(t.Context(), Entry{Action: "user.update", Target: fmt.Sprint("user ", i), Before: map[string]int{"n": i}, After: "a<b"})
		if err != nil {
			t.Fatal(err)
		}
		r.ID, r.Previous = c.Entries+1, c.Hash
		sum := r.sum()
		r.Hash = hex.EncodeToString(sum[:])
		line, err := encode(r)
		if err = errors.Join(err, c.follow(r)); err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	out := bufio.NewWriter(&b)
	if err := errors.Join(c.sign(out, newKey(t)), out.Flush()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever is taken for an export is one that this package writes.
func FuzzVerifyExport(f *testing.F) {
	content := written(f, 3)
	if _, err := VerifyExport(strings.NewReader(content), ""); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(content))
	for _, line := range strings.SplitAfter(content, "\n") {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var again bytes.Buffer
		_, err := readExport(bytes.NewReader(content), "", func(r *Record) error {
			line, err := encode(r)
			again.Write(append(line, '\n'))
			return err
		})
		if !bytes.HasPrefix(content, again.Bytes()) {
			t.Fatalf("%q was read as %q", content, again.Bytes())
		}
		if err == nil && !bytes.HasPrefix(content[again.Len():], []byte(`{"checkpoint":{"format":"`+checkpointFormat)) {
			t.Fatalf("%q was taken", content)
		}
		if err != nil && !errors.Is(err, registry.ErrDigest) {
			t.Fatalf("%v is no ErrDigest", err)
		}
	})
}
