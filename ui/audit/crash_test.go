package audit

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// step is a transaction that changes something and tells of it.
func (l *Log) step(ctx context.Context, n int64) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		if err := l.Append(ctx, tx, Entry{Action: "t.insert", After: n}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO t (n) VALUES (?)`, n); err != nil {
			return err
		}
		return l.Append(ctx, tx, Entry{Action: "t.inserted", Target: strings.Repeat("x", 3000)})
	})
}

// agrees proves that there are two entries for each change, in a whole chain, and
// says how many changes there are.
func (k *kit) agrees() (changes int64) {
	k.t.Helper()
	k.must(k.db.Read.QueryRow(`SELECT count(*) FROM t`).Scan(&changes))
	k.whole(2 * changes)
	return changes
}

// A process that is killed at any moment leaves each change with its entries or
// without both, and the chain goes on after it.
func TestKilled(t *testing.T) {
	const childDir = "AUDIT_TEST_CHILD"
	if dir := os.Getenv(childDir); dir != "" {
		l, err := openPlain(context.Background(), dir)
		for n := int64(0); err == nil; n++ {
			err = l.step(context.Background(), n)
			fmt.Println("step")
		}
		t.Fatal(err)
	}
	t.Parallel()
	dir := t.TempDir()
	var least int64
	for round := range 6 {
		c := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		c.Env = append(os.Environ(), childDir+"="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 1+7*round && lines.Scan() && lines.Text() == "step"; n++ {
			least++
		}
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = c.Wait() // it was killed
		k := openKit(t, dir)
		if n := k.agrees(); n < least {
			t.Fatalf("%d changes after %d that were acknowledged", n, least)
		}
		least = k.agrees()
		k.db.Close()
	}
}

// What is on the disk in the middle of a transaction, whose pages SQLite has begun
// to write, is the log of before.
func TestCutInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKit(t, dir)
	k.must(k.step(t.Context(), 1))
	big := strings.Repeat("x", maxValue-2)
	var copies []string
	snap := func() error {
		to := filepath.Join(t.TempDir(), "copy")
		copies = append(copies, to)
		return os.CopyFS(to, os.DirFS(dir))
	}
	k.must(k.db.Write(t.Context(), func(tx *sql.Tx) error {
		for i := range 120 { // 7 MiB, more than SQLite keeps in memory
			if err := k.Append(t.Context(), tx, Entry{Action: "big", After: big}); err != nil {
				return err
			}
			if i%30 == 0 {
				if err := snap(); err != nil {
					return err
				}
			}
		}
		return snap()
	}))
	for i, dir := range copies {
		info, err := os.Stat(filepath.Join(dir, "landfall.db-wal"))
		if i == len(copies)-1 && (err != nil || info.Size() < 1<<20) {
			t.Errorf("nothing was spilled: this proves nothing: %v", err)
		}
		cut := openKit(t, dir)
		if n := cut.agrees(); n != 1 {
			t.Errorf("%d changes, want 1", n)
		}
		cut.fill(1)
		cut.whole(3)
	}
	k.whole(122)
}
