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
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// An export is lines of JSON, each compact and as this package writes it: the
// records, ascending from the first, and last {"checkpoint": …, "signature": …,
// "raw": …}. What is signed is the bytes of the checkpoint as they stand there;
// the signature is a Sigstore bundle, and raw is the same signature in
// hexadecimal. See trust.Signature for how other tools verify them.

// checkpointFormat names what is signed, so that no other signature can be taken
// for one.
const checkpointFormat = "landfall audit checkpoint 1"

// maxLine bounds a line of an export, in bytes. A record takes a third at most.
const maxLine = 1 << 20

// Checkpoint is what a site says of its log at a time. Ids have no gaps, so that
// the number of entries is the id of the last.
type Checkpoint struct {
	Format  string    `json:"format"`
	Entries int64     `json:"entries"`
	Hash    string    `json:"hash"` // of the last entry
	Site    string    `json:"site"` // id: that of its key
	Key     string    `json:"key"`  // PEM
	Time    time.Time `json:"time"`
}

// lastLine ends an export.
type lastLine struct {
	Checkpoint json.RawMessage `json:"checkpoint"`
	Signature  json.RawMessage `json:"signature"`
	Raw        string          `json:"raw"`
}

// Export writes the whole log and signs it with the site's key. It needs the same
// memory however long the log is. A log that is broken is not signed: a
// *BrokenError, and the export has no last line.
func (l *Log) Export(ctx context.Context, w io.Writer, key *trust.PrivateKey) error {
	out := bufio.NewWriterSize(w, 64<<10)
	v, err := l.walk(ctx, func(r *Record) error { return writeLine(out, r) })
	if err != nil {
		return err
	}
	// What is signed must be there after a power cut, too.
	if err := l.db.Write(ctx, func(*sql.Tx) error { return nil }); err != nil {
		return registry.DiskError(err)
	}
	if err := (&chain{v}).sign(out, key); err != nil {
		return err
	}
	return out.Flush()
}

// sign writes the last line.
func (c *chain) sign(w *bufio.Writer, key *trust.PrivateKey) error {
	content, err := encode(Checkpoint{Format: checkpointFormat, Entries: c.Entries, Hash: c.Hash,
		Site: key.ID(), Key: string(key.Key.PEM()), Time: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	s, err := key.Sign(content)
	if err != nil {
		return err
	}
	return writeLine(w, lastLine{content, s.Bundle, hex.EncodeToString(s.Raw)})
}

func writeLine(w *bufio.Writer, v any) error {
	line, err := encode(v)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}

// VerifyExport proves an export, without the site: that its entries follow each
// other from the first to the one that the checkpoint names, and that the key in
// the checkpoint has signed it. site is the id of the key that this has to be;
// whoever gives none has to know otherwise whose it is. A *BrokenError says what
// is wrong, an ErrUntrusted that it is of another site.
func VerifyExport(r io.Reader, site string) (Checkpoint, error) {
	return readExport(r, site, func(*Record) error { return nil })
}

func readExport(r io.Reader, site string, visit func(*Record) error) (Checkpoint, error) {
	lines := bufio.NewReaderSize(r, 64<<10)
	for c := newChain(); ; {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) || errors.Is(err, errLine) {
			return Checkpoint{}, &BrokenError{c.Entries + 1, fmt.Sprintf("%v; the export has no checkpoint before", err)}
		}
		if err != nil {
			return Checkpoint{}, err
		}
		if bytes.HasPrefix(line, []byte(`{"checkpoint":`)) {
			cp, err := c.prove(line, site)
			if _, more := lines.ReadByte(); err == nil && more == nil {
				err = &BrokenError{Fault: "something follows its checkpoint"}
			}
			return cp, err
		}
		record, err := decodeRecord(line)
		if err != nil {
			return Checkpoint{}, &BrokenError{c.Entries + 1, err.Error()}
		}
		if err := c.follow(record); err != nil {
			return Checkpoint{}, err
		}
		if err := visit(record); err != nil {
			return Checkpoint{}, err
		}
	}
}

// errLine: what follows is not a line of an export.
var errLine = fmt.Errorf("a line of more than %d bytes", maxLine)

// readLine reads a line without its end; EOF when it has none.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, errLine
		}
		if err == nil {
			return line[:len(line)-1], nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

// decodeRecord reads a record's line. Its time has one form, in which it was
// hashed: UTC, in milliseconds.
func decodeRecord(line []byte) (*Record, error) {
	r := &Record{}
	if err := decode(line, r); err != nil {
		return nil, err
	}
	r.At = time.UnixMilli(r.At.UnixMilli()).UTC()
	return r, canonical(line, r)
}

func decode(line []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("its line: %w", err)
	}
	return nil
}

// canonical refuses a line that encode does not write.
func canonical(line []byte, v any) error {
	if again, err := encode(v); err != nil || !bytes.Equal(again, line) {
		return errors.New("its line is not in its canonical form")
	}
	return nil
}

// prove reads the last line and compares it with the entries before.
func (c *chain) prove(line []byte, site string) (cp Checkpoint, err error) {
	var last lastLine
	err = decode(line, &last)
	if err == nil {
		err = canonical(line, &last)
	}
	if err == nil {
		err = decode(last.Checkpoint, &cp)
	}
	if err == nil {
		err = canonical(last.Checkpoint, &cp)
	}
	if err != nil {
		return cp, &BrokenError{Fault: "the checkpoint: " + err.Error()}
	}
	if cp.Format != checkpointFormat {
		return cp, &BrokenError{Fault: fmt.Sprintf("the checkpoint is of format %.80q, want %q", cp.Format, checkpointFormat)}
	}
	if err := last.verify(cp); err != nil {
		return cp, &BrokenError{Fault: "the checkpoint: " + err.Error()}
	}
	if site != "" && site != cp.Site {
		return cp, fmt.Errorf("the audit log is of another site: %w: key %s has signed it, not %s", registry.ErrUntrusted, cp.Site, site)
	}
	return cp, c.ends(cp.Entries, cp.Hash, "the checkpoint")
}

// verify proves the signature by the key that the checkpoint names.
func (l *lastLine) verify(cp Checkpoint) error {
	key, err := trust.ParseKey([]byte(cp.Key))
	if err != nil {
		return err
	}
	if key.ID() != cp.Site {
		return fmt.Errorf("it says site %.40q, and the key of %s", cp.Site, key.ID())
	}
	raw, err := hex.DecodeString(l.Raw)
	if err != nil || hex.EncodeToString(raw) != l.Raw {
		return errors.New("its signature is not in hexadecimal")
	}
	return key.Verify(l.Checkpoint, trust.Signature{KeyID: cp.Site, Bundle: l.Signature, Raw: raw})
}
