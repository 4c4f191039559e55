// Package receipt is the small signed file in which a site says what it has, so
// that the next bundle for it carries only what is missing.
//
// The file is zstd (RFC 8878) over: the line "landfall receipt 1"; the head, one
// line of JSON; the digests' bytes, each kind ascending, in the order of the
// head's counts; the site's signature of all that, a Sigstore bundle in one line;
// and the same signature raw, in hexadecimal, in the last line. So a blob takes
// 32 bytes, 64 when its digest is a SHA-512.
package receipt

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

const (
	magic = "landfall receipt 1\n"
	// maxSize bounds a receipt before compression, in bytes: 4 million blobs.
	maxSize = 128 << 20
	// maxLine bounds head and signature, in bytes.
	maxLine = 1 << 20
)

// ErrFormat says that a file is not a receipt, or damaged, or changed after it
// was signed.
var ErrFormat = errors.New("not a valid receipt")

// Receipt is what a site says of itself.
type Receipt struct {
	Site        string // id: that of its key
	Created     time.Time
	Definitions []string         // of clusters that run
	Channels    map[string]int64 // the highest sequence that was let in
	Blobs       []digest.Digest
	Manifests   []digest.Digest
	signer      trust.Key
}

// head is the second line. Members are in alphabetical order.
type head struct {
	Channels    map[string]int64 `json:"channels"`
	Counts      counts           `json:"counts"`
	Created     string           `json:"created"`
	Definitions []string         `json:"definitions"`
	Key         string           `json:"key"` // PEM
	Site        string           `json:"site"`
}

// counts says how many digests follow. The order of its members is theirs.
type counts struct {
	Blobs256     int `json:"blobs-sha256"`
	Blobs512     int `json:"blobs-sha512"`
	Manifests256 int `json:"manifests-sha256"`
	Manifests512 int `json:"manifests-sha512"`
}

// Key is the key that has signed.
func (r *Receipt) Key() trust.Key { return r.signer }

// Have reports what the site has.
func (r *Receipt) Have() func(digest.Digest) bool {
	have := make(map[digest.Digest]struct{}, len(r.Blobs)+len(r.Manifests))
	for _, d := range slices.Concat(r.Blobs, r.Manifests) {
		have[d] = struct{}{}
	}
	return func(d digest.Digest) bool { _, ok := have[d]; return ok }
}

// Write signs a receipt and writes it. Site is taken from the key.
func (r *Receipt) Write(w io.Writer, key *trust.PrivateKey) error {
	content, err := r.encode(key)
	if err != nil {
		return err
	}
	s, err := key.Sign(content)
	if err != nil {
		return err
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	_, err = z.Write(fmt.Appendf(content, "%s\n%x\n", s.Bundle, s.Raw))
	return errors.Join(err, z.Close())
}

func (r *Receipt) encode(key *trust.PrivateKey) ([]byte, error) {
	h := head{Channels: r.Channels, Created: r.Created.UTC().Format(time.RFC3339), Definitions: r.Definitions,
		Key: string(key.Key.PEM()), Site: key.ID()}
	if h.Channels == nil {
		h.Channels = map[string]int64{}
	}
	if h.Definitions == nil {
		h.Definitions = []string{}
	}
	var body []byte
	for _, part := range []struct {
		list      []digest.Digest
		algorithm digest.Algorithm
		count     *int
	}{
		{r.Blobs, digest.SHA256, &h.Counts.Blobs256}, {r.Blobs, digest.SHA512, &h.Counts.Blobs512},
		{r.Manifests, digest.SHA256, &h.Counts.Manifests256}, {r.Manifests, digest.SHA512, &h.Counts.Manifests512},
	} {
		sums, err := sumsOf(part.list, part.algorithm)
		if err != nil {
			return nil, err
		}
		*part.count = len(sums)
		body = append(body, bytes.Join(sums, nil)...)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(body)+len(line) > maxSize-3*maxLine || len(line) > maxLine {
		return nil, fmt.Errorf("%w: more content than a receipt has room for", registry.ErrInvalid)
	}
	return slices.Concat([]byte(magic), line, []byte("\n"), body), nil
}

// sumsOf is the digests of an algorithm as bytes, ascending, each once.
func sumsOf(list []digest.Digest, algorithm digest.Algorithm) (sums [][]byte, err error) {
	for _, d := range list {
		if d.Algorithm() != algorithm {
			continue
		}
		sum, err := hex.DecodeString(d.Encoded())
		if err != nil {
			return nil, fmt.Errorf("%w: digest %s", registry.ErrInvalid, d)
		}
		sums = append(sums, sum)
	}
	slices.SortFunc(sums, bytes.Compare)
	return slices.CompactFunc(sums, bytes.Equal), nil
}

// Read reads a receipt and proves its signature by the key that it names. Who
// that is, the caller has to know. ErrFormat when it is not whole.
func Read(from io.Reader) (*Receipt, error) {
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSize), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	content, err := io.ReadAll(io.LimitReader(z, maxSize+1))
	if err == nil && len(content) > maxSize {
		err = fmt.Errorf("larger than %d bytes", maxSize)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	r, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return r, nil
}

func parse(content []byte) (*Receipt, error) {
	rest, ok := bytes.CutPrefix(content, []byte(magic))
	if !ok {
		return nil, errors.New("it does not start like one: another kind of file, or of a newer version")
	}
	line, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok || len(line) > maxLine {
		return nil, errors.New("its head has no end")
	}
	var h head
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if again, err := json.Marshal(h); err != nil || !bytes.Equal(again, line) {
		return nil, errors.New("its head is not in canonical form")
	}
	r := &Receipt{Site: h.Site, Definitions: h.Definitions, Channels: h.Channels}
	rest, err := r.readDigests(h.Counts, rest)
	if err != nil {
		return nil, err
	}
	return r, r.prove(h, content[:len(content)-len(rest)], rest)
}

// readDigests reads the body and returns what follows.
func (r *Receipt) readDigests(c counts, rest []byte) ([]byte, error) {
	for _, part := range []struct {
		to        *[]digest.Digest
		algorithm digest.Algorithm
		count     int
	}{
		{&r.Blobs, digest.SHA256, c.Blobs256}, {&r.Blobs, digest.SHA512, c.Blobs512},
		{&r.Manifests, digest.SHA256, c.Manifests256}, {&r.Manifests, digest.SHA512, c.Manifests512},
	} {
		size := part.algorithm.Size()
		if part.count < 0 || part.count > len(rest)/size {
			return nil, errors.New("it ends in the middle of its digests")
		}
		var last []byte
		for range part.count {
			sum := rest[:size]
			if last != nil && bytes.Compare(last, sum) >= 0 {
				return nil, errors.New("its digests are out of order")
			}
			*part.to = append(*part.to, digest.NewDigestFromBytes(part.algorithm, sum))
			last, rest = sum, rest[size:]
		}
	}
	return rest, nil
}

// prove checks the head's fields and the signature.
func (r *Receipt) prove(h head, signed, rest []byte) (err error) {
	if r.Created, err = time.Parse(time.RFC3339, h.Created); err != nil {
		return fmt.Errorf("created: %w", err)
	}
	for name, sequence := range h.Channels {
		if err := trust.CheckChannel(name); err != nil || sequence < 1 {
			return fmt.Errorf("channel %.100q at sequence %d", name, sequence)
		}
	}
	if r.signer, err = trust.ParseKey([]byte(h.Key)); err != nil {
		return err
	}
	if r.signer.ID() != h.Site {
		return fmt.Errorf("it says site %.40q, and the key of %s", h.Site, r.signer.ID())
	}
	lines := bytes.Split(rest, []byte("\n"))
	if len(lines) != 3 || len(lines[2]) != 0 {
		return errors.New("its signature is not where it has to be")
	}
	raw, err := hex.DecodeString(string(lines[1]))
	if err != nil {
		return errors.New("its signature is not where it has to be")
	}
	return r.signer.Verify(signed, trust.Signature{KeyID: h.Site, Bundle: lines[0], Raw: raw})
}
