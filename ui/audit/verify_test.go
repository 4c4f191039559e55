package audit

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// An edit of any column of any entry is found, and nothing else is reported.
func TestEveryEditIsFound(t *testing.T) {
	t.Parallel()
	const entries = 5
	k := newKit(t)
	k.fill(entries)
	k.whole(entries)
	k.unguard()
	edits := map[string][]string{
		"id": {`id + 100`, `-id`, `-9223372036854775807 - 1 + id - id`},
		"at": {`at + 1`, `at + 0.5`, `'soon'`, `x'00'`},
	}
	for _, column := range strings.Split(columns, ", ")[2:] {
		edits[column] = []string{column + ` || 'x'`, `''`, `CAST(` + column + ` AS BLOB) || ''`, `x'00'`, `7`}
		if column == "previous" || column == "hash" {
			edits[column] = []string{`zeroblob(32) || ''`, `randomblob(32)`, `x''`, `hex(` + column + `)`, `7`, `substr(` + column + `, 1, 31)`}
		} else {
			edits[column] = append(edits[column], `CAST(`+column+` AS BLOB)`)
		}
	}
	for column, list := range edits {
		for _, edit := range list {
			for id := range int64(entries) {
				k.edited(column, edit, id+1)
			}
		}
	}
	k.whole(entries)
}

// edited makes an edit, wants it found, and undoes it.
func (k *kit) edited(column, edit string, id int64) {
	k.t.Helper()
	var was any
	var before, after string
	k.must(k.db.Read.QueryRow(`SELECT `+column+`, typeof(`+column+`) || quote(`+column+`) FROM audit WHERE id = ?`, id).Scan(&was, &before))
	k.must(k.db.Write(k.t.Context(), func(tx *sql.Tx) error {
		return tx.QueryRow(`UPDATE audit SET `+column+` = `+edit+` WHERE id = ? RETURNING typeof(`+column+`) || quote(`+column+`)`, id).Scan(&after)
	}))
	v, err := k.Verify(k.t.Context())
	switch {
	case before == after: // no edit: it was empty before
	case err == nil:
		k.t.Errorf("entry %d: %s = %s was not found", id, column, edit)
	case v.Entries >= id || column != "id" && v.Entries != id-1:
		k.t.Errorf("entry %d: %s = %s: %d entries are called whole: %v", id, column, edit, v.Entries, err)
	}
	if column == "id" {
		k.exec(`UPDATE audit SET id = ? WHERE id NOT BETWEEN 1 AND 5`, id)
		return
	}
	k.exec(`UPDATE audit SET `+column+` = ? WHERE id = ?`, was, id)
}

// What was taken out, put in or moved is found, with its place and what is wrong.
func TestEveryMoveIsFound(t *testing.T) {
	t.Parallel()
	again := `INSERT INTO audit SELECT 6, at, actor, kind, address, via, action, target, before, after, outcome, request, previous, hash FROM audit WHERE id = 5`
	for _, c := range []struct {
		what       string
		statements []string
		entry      int64
		fault      string
	}{
		{"first deleted", []string{`DELETE FROM audit WHERE id = 1`}, 1, "missing; the next one is 2"},
		{"middle deleted", []string{`DELETE FROM audit WHERE id = 3`}, 3, "missing; the next one is 4"},
		{"last deleted", []string{`DELETE FROM audit WHERE id = 5`}, 5, "missing; its head has 5 entries"},
		{"all deleted", []string{`DELETE FROM audit`}, 1, "missing; its head has 5 entries"},
		{"first deleted, others moved", []string{`DELETE FROM audit WHERE id = 1`, `UPDATE audit SET id = id - 10`, `UPDATE audit SET id = id + 9`}, 1, "it was changed"},
		{"swapped", []string{`UPDATE audit SET id = -2 WHERE id = 2`, `UPDATE audit SET id = 2 WHERE id = 3`, `UPDATE audit SET id = 3 WHERE id = -2`}, 2, "it was changed"},
		{"added", []string{again}, 6, "it was changed"},
		{"added before", []string{strings.Replace(again, "SELECT 6", "SELECT 0", 1)}, 0, "where entry 1 has to be"},
		{"last one replaced by another", []string{`DELETE FROM audit WHERE id = 5`, strings.Replace(strings.Replace(again, "SELECT 6", "SELECT 5", 1), "id = 5", "id = 4", 1)}, 5, "it was changed"},
		{"head counts less", []string{`UPDATE audit_head SET entries = 4`}, 5, "added; its head has 4 entries"},
		{"head counts more", []string{`UPDATE audit_head SET entries = 6`}, 6, "missing; its head has 6 entries"},
		{"head has another hash", []string{`UPDATE audit_head SET hash = zeroblob(32)`}, 5, "not the last one that its head names"},
		{"head of another type", []string{`UPDATE audit_head SET hash = 'x'`}, 0, "head is of another type"},
		{"no head", []string{`DELETE FROM audit_head`}, 0, "its head is gone"},
		{"no table", []string{`DROP TABLE audit`}, 0, "its table is gone"},
	} {
		k := newKit(t)
		k.fill(5)
		k.unguard()
		for _, statement := range c.statements {
			k.exec(statement)
		}
		k.broken(c.what, c.entry, c.fault)
	}
}

// A chain longer than a page is followed to its end.
func TestManyPages(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, pageSize - 1, pageSize, pageSize + 1, 2 * pageSize} {
		k := newKit(t)
		k.must(k.append(n))
		k.whole(n)
		k.unguard()
		if n > 0 {
			k.exec(`DELETE FROM audit WHERE id = ?`, n)
			k.broken(fmt.Sprint(n, " entries"), n, "missing; its head")
		}
	}
}

// The triggers refuse what is done by mistake.
func TestTriggers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(3)
	again := ` INTO audit SELECT %d, at, actor, kind, address, via, action, target, before, after, outcome, request, previous, hash FROM audit WHERE id = 2`
	for _, statement := range []string{
		`UPDATE audit SET target = 'x' WHERE id = 2`,
		`UPDATE audit SET id = 9 WHERE id = 2`,
		`DELETE FROM audit WHERE id = 3`,
		`DELETE FROM audit`,
		fmt.Sprintf(`INSERT OR REPLACE`+again, 2),
		fmt.Sprintf(`INSERT`+again, 5),
		fmt.Sprintf(`INSERT`+again, -1),
		`UPDATE audit_head SET entries = 2`,
		`UPDATE audit_head SET entries = 5`,
		`UPDATE audit_head SET hash = zeroblob(32)`,
		`UPDATE audit_head SET one = NULL, entries = 4`,
		`DELETE FROM audit_head`,
		`INSERT OR REPLACE INTO audit_head VALUES (1, 4, zeroblob(32))`,
	} {
		if err := k.try(statement); err == nil {
			t.Errorf("%s: done", statement)
		}
	}
	k.whole(3)
}

// Somebody who makes the whole log anew, or cuts its end off with the head, is
// found by a checkpoint of before, and by nothing else.
func TestVerifyAgainst(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.fill(5)
	content, key := k.export()
	cp, err := VerifyExport(strings.NewReader(content), key.ID())
	k.must(err)
	k.fill(2)
	v, err := k.VerifyAgainst(t.Context(), cp)
	if err != nil || v.Entries != 7 {
		t.Errorf("%+v, %v", v, err)
	}
	empty := Checkpoint{Hash: noHash}
	if _, err := k.VerifyAgainst(t.Context(), empty); err != nil {
		t.Errorf("against the checkpoint of an empty log: %v", err)
	}
	k.unguard()
	k.exec(`DELETE FROM audit WHERE id > 4`)
	k.exec(`UPDATE audit_head SET entries = 4, hash = (SELECT hash FROM audit WHERE id = 4)`)
	k.whole(4)
	_, err = k.VerifyAgainst(t.Context(), cp)
	isBroken(t, "cut off", err, 5, "missing; the checkpoint of ")
	k.fill(2) // and the log goes on
	_, err = k.VerifyAgainst(t.Context(), cp)
	isBroken(t, "cut off and gone on", err, 5, "made anew")
	k.rewrite(`UPDATE audit SET target = 'innocent' WHERE id = 2`)
	k.whole(6)
	_, err = k.VerifyAgainst(t.Context(), cp)
	isBroken(t, "made anew", err, 5, "made anew")
}

// rewrite changes records and makes all hashes right again.
func (k *kit) rewrite(statement string) {
	k.t.Helper()
	k.exec(statement)
	list, err := k.List(k.t.Context(), Filter{})
	k.must(err)
	slices.Reverse(list)
	last := noHash
	for _, r := range list {
		previous, err := hex.DecodeString(last)
		k.must(err)
		r.Previous = last
		sum := r.sum()
		last = hex.EncodeToString(sum[:])
		k.exec(`UPDATE audit SET previous = ?, hash = ? WHERE id = ?`, previous, sum[:], r.ID)
		k.exec(`UPDATE audit_head SET hash = ?`, sum[:])
	}
}
