package bundle

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Signatures stand behind the last payload, so that one can be added to a
// bundle that is there already: for each two entries, for two kinds of tools.
const (
	signatureDir   = "landfall/signatures/"
	sigstoreSuffix = ".sigstore.json"
	rawSuffix      = ".sig"

	// maxSignatures bounds how many keys can sign.
	maxSignatures = 16
	// maxSignature bounds one entry's payload, in bytes.
	maxSignature = 8 << 10
)

// encodeSignatures is the entries of signatures, in their order.
func encodeSignatures(list []trust.Signature) []byte {
	var b []byte
	for _, s := range list {
		b = append(b, plainEntry(signatureDir+s.KeyID+sigstoreSuffix, s.Bundle)...)
		b = append(b, plainEntry(signatureDir+s.KeyID+rawSuffix, s.Raw)...)
	}
	return b
}

// readSignatures reads entries until there are none any more, at the latest at
// end. Every byte of them follows from what it returns.
func readSignatures(source io.ReaderAt, pos, end int64) (list []trust.Signature, err error) {
	for pos < end && len(list) <= maxSignatures {
		first := make([]byte, block)
		if err := readFull(source, first, pos); err != nil {
			return nil, truncated(err)
		}
		name := string(bytes.TrimRight(first[:100], "\x00"))
		if name == "" {
			break
		}
		id, ok := strings.CutPrefix(strings.TrimSuffix(name, sigstoreSuffix), signatureDir)
		if !ok || !isID(id) || !strings.HasSuffix(name, sigstoreSuffix) {
			return nil, fmt.Errorf("%w: entry %.100q where a signature has to be", ErrFormat, name)
		}
		if slices.ContainsFunc(list, func(s trust.Signature) bool { return s.KeyID == id }) {
			return nil, fmt.Errorf("%w: two signatures of key %s", ErrFormat, id)
		}
		s := trust.Signature{KeyID: id}
		if s.Bundle, err = readSignature(source, name, &pos, end); err != nil {
			return nil, err
		}
		if s.Raw, err = readSignature(source, signatureDir+id+rawSuffix, &pos, end); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	if len(list) > maxSignatures {
		return nil, fmt.Errorf("%w: more than %d signatures", ErrFormat, maxSignatures)
	}
	return list, nil
}

func readSignature(source io.ReaderAt, name string, pos *int64, end int64) ([]byte, error) {
	content, err := readPlain(source, name, pos, end)
	if err == nil && len(content) > maxSignature {
		err = fmt.Errorf("%w: %s has %d bytes", ErrFormat, name, len(content))
	}
	return content, err
}

// openSignatures reads and proves everything behind the last payload of a file
// of so many bytes.
func (r *Reader) openSignatures(size int64) error {
	most := r.size
	if r.header.Format == FormatTerms {
		most += maxSignatures * 2 * (block + maxSignature)
	}
	if size < r.size || size > most {
		return fmt.Errorf("%w: %d bytes, the bundle has %s: %s", registry.ErrSize, size, lengths(r.size, most), truncation(size, r.size))
	}
	start := r.size - trailer
	var err error
	if r.signatures, err = readSignatures(r.source, start, size-trailer); err != nil {
		return err
	}
	r.sign(r.signatures)
	if size != r.size {
		return fmt.Errorf("%w: %d bytes, the bundle with its signatures has %d: %s", registry.ErrSize, size, r.size, truncation(size, r.size))
	}
	return r.compare(start, append(encodeSignatures(r.signatures), make([]byte, trailer)...), "signatures and trailer")
}

func lengths(least, most int64) string {
	text := strconv.FormatInt(least, 10)
	if most > least {
		text += " without its signatures"
	}
	return text
}

// sign makes room for signatures in a layout that has none.
func (l *layout) sign(list []trust.Signature) {
	l.tail = encodeSignatures(list)
	l.size += int64(len(l.tail))
}

// Signatures are those of the bundle, not checked yet.
func (r *Reader) Signatures() []trust.Signature { return slices.Clone(r.signatures) }

// Signed is what the signatures are of: the exact bytes of the header.
func (r *Reader) Signed() trust.Signed {
	return trust.Signed{Statement: r.header.Statement(), Payload: r.signed, Signatures: r.Signatures()}
}

// Sign adds signatures to a bundle of FormatTerms; a key that has signed it
// already is passed over. The content is not read: who signs vouches for the
// header. Cut off, it leaves a bundle that another Sign mends.
func Sign(path string, keys []*trust.PrivateKey) (added int, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	added, err = sign(f, keys)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, registry.DiskError(err))
	}
	return added, nil
}

func sign(f *os.File, keys []*trust.PrivateKey) (added int, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	l, signed, err := readTo(f, info.Size())
	if err != nil {
		return 0, err
	}
	if l.header.Format != FormatTerms {
		return 0, fmt.Errorf("%w: a bundle of format version %d has no place for signatures; make it with --sign or --channel", registry.ErrInvalid, l.header.Format)
	}
	if info.Size() < l.size {
		return 0, fmt.Errorf("%w: %d bytes, the bundle has %d: %s", registry.ErrSize, info.Size(), l.size, truncation(info.Size(), l.size))
	}
	start := l.size - trailer
	list, err := readSignatures(f, start, info.Size()-trailer)
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if slices.ContainsFunc(list, func(s trust.Signature) bool { return s.KeyID == k.ID() }) {
			continue
		}
		s, err := k.Sign(signed)
		if err != nil {
			return 0, err
		}
		list = append(list, s)
		added++
	}
	if len(list) > maxSignatures {
		return 0, fmt.Errorf("%w: more than %d signatures", registry.ErrInvalid, maxSignatures)
	}
	return added, replaceTail(f, start, append(encodeSignatures(list), make([]byte, trailer)...))
}

// replaceTail writes what follows the payloads: what lies behind the old trailer
// first, so that the bundle ends where it ended until all of it is on the disk.
func replaceTail(f *os.File, start int64, tail []byte) error {
	have := make([]byte, len(tail))
	n, err := f.ReadAt(have, start)
	if err != nil && err != io.EOF {
		return err
	}
	same := 0
	for same < n && have[same] == tail[same] {
		same++
	}
	behind := min(len(tail), same+trailer)
	if _, err := f.WriteAt(tail[behind:], start+int64(behind)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.WriteAt(tail[same:behind], start+int64(same)); err != nil {
		return err
	}
	if err := f.Truncate(start + int64(len(tail))); err != nil {
		return err
	}
	return f.Sync()
}
