package bundle

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// The file, front to back. Every byte that is not payload follows from the
// header, so a reader can compare instead of trusting.
//
//	oci-layout
//	index.json                   from the header
//	landfall/bundle.json         the header
//	landfall/bundle.json.sha256  its checksum, as sha256sum writes it
//	blobs/<algorithm>/<hex>      each payload at a multiple of 4096: blobs, then manifests
//	landfall/signatures/…        since FormatTerms
//	1024 zero bytes              the end of a tar
const (
	layoutEntry = "oci-layout"
	indexEntry  = "index.json"
	headerEntry = "landfall/bundle.json"
	sumEntry    = "landfall/bundle.json.sha256"

	layoutContent = `{"imageLayoutVersion":"1.0.0"}`
)

const (
	block     = 512
	alignment = 4096
	trailer   = 2 * block
	// maxContent bounds all blobs and manifests together, in bytes: offsets
	// stay exact in JSON (RFC 8785), and no sum overflows.
	maxContent = 1 << 50
	// maxManifests bounds all manifests together, in bytes: they are read when
	// a bundle is opened.
	maxManifests = 64 << 20
)

// entry is one payload of the file and where it is.
type entry struct {
	digest digest.Digest
	size   int64
	frame  int64 // offset of its tar headers
	offset int64 // offset of its payload
}

func (e *entry) end() int64 { return roundUp(e.offset+e.size, block) }

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// tarHeader is a POSIX ustar header of a regular file (type '0') or of a pax
// extended header (type 'x'): owner 0, mode 0644, time 0.
func tarHeader(name string, size int64, kind byte) []byte {
	h := make([]byte, block)
	copy(h[0:100], name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	if size >= 1<<33 {
		size = 0 // too large for the field: the pax record says it
	}
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	copy(h[148:], "        ")
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// frame is what stands before a payload: a pax header whose comment moves the
// payload to the alignment, and the tar header. The pax header is always there:
// then a frame that begins later ends later, and newLayout comes to an end.
type frame struct {
	name    string // for the tar header
	records string // of the pax header, without the comment
	padded  int64  // length of the pax payload
}

// frameOf is the frame of an entry that begins at pos.
func frameOf(d digest.Digest, size, pos int64) frame {
	folder := "blobs/" + d.Algorithm().String() + "/"
	f := frame{name: folder + d.Encoded(), padded: block}
	if len(f.name) > 100 {
		f.records += paxRecord("path", f.name)
		f.name = folder + d.Encoded()[:64]
	}
	if size >= 1<<33 {
		f.records += paxRecord("size", strconv.FormatInt(size, 10))
	}
	for (pos+f.length())%alignment != 0 {
		f.padded += block
	}
	return f
}

func (f frame) length() int64 { return 2*block + f.padded }

// bytes of the frame. A block of 512 bytes has room for all records and for the
// shortest comment.
func (f frame) bytes(size int64) []byte {
	fill := int(f.padded) - len(f.records)
	spaces := fill - len(strconv.Itoa(fill)) - len(" comment=\n")
	pax := f.records + strconv.Itoa(fill) + " comment=" + strings.Repeat(" ", spaces) + "\n"
	return bytes.Join([][]byte{tarHeader("PaxHeaders/landfall", f.padded, 'x'), []byte(pax), tarHeader(f.name, size, '0')}, nil)
}

// paxRecord is "length key=value\n" where length counts itself.
func paxRecord(key, value string) string {
	rest := len(" =\n") + len(key) + len(value)
	length := rest + len(strconv.Itoa(rest))
	if n := len(strconv.Itoa(length)) - len(strconv.Itoa(rest)); n > 0 {
		length += n
	}
	return fmt.Sprintf("%d %s=%s\n", length, key, value)
}

// plainEntry is a small file with its tar header and padding.
func plainEntry(name string, content []byte) []byte {
	b := append(tarHeader(name, int64(len(content)), '0'), content...)
	return append(b, make([]byte, roundUp(int64(len(b)), block)-int64(len(b)))...)
}

func checksumLine(header []byte) []byte {
	return fmt.Appendf(nil, "%x  bundle.json\n", sha256.Sum256(header))
}

// layout is a header with all its consequences.
type layout struct {
	header   *Header
	preamble []byte  // everything before the first blob's frame
	entries  []entry // in file order: blobs, then manifests
	tail     []byte  // the entries of signatures
	size     int64   // of the whole file
}

// newLayout gives everything its place and writes the offsets into the
// header. The header's length depends on the offsets and they on it. A longer
// header never moves an entry forward, and larger offsets never make it
// shorter, so the loop ends, as a rule after two rounds.
func newLayout(h *Header) (*layout, error) {
	l := &layout{header: h}
	for pos := int64(-1); ; {
		preamble, err := l.encode()
		if err != nil {
			return nil, err
		}
		if int64(len(preamble)) == pos {
			l.preamble = preamble
			return l, nil
		}
		pos = int64(len(preamble))
		l.place(pos)
	}
}

// readLayout is the layout of a header that was read, offsets included.
func readLayout(h *Header) (*layout, error) {
	stated := h.places()
	l := &layout{header: h}
	var err error
	if l.preamble, err = l.encode(); err != nil {
		return nil, err
	}
	l.place(int64(len(l.preamble)))
	if !slices.Equal(stated, h.places()) {
		return nil, fmt.Errorf("%w: %s: offsets are not where FORMAT.md puts them", ErrFormat, headerEntry)
	}
	return l, nil
}

func (l *layout) encode() ([]byte, error) {
	header, err := canonical(l.header)
	if err != nil {
		return nil, err
	}
	index, err := l.header.index()
	if err != nil {
		return nil, err
	}
	if len(header) > maxHeader || len(index) > maxHeader {
		return nil, fmt.Errorf("%w: more than %d bytes of names and digests: make several bundles", ErrFormat, maxHeader)
	}
	return bytes.Join([][]byte{
		plainEntry(layoutEntry, []byte(layoutContent)),
		plainEntry(indexEntry, index),
		plainEntry(headerEntry, header),
		plainEntry(sumEntry, checksumLine(header)),
	}, nil), nil
}

// place computes all offsets when the preamble ends at pos.
func (l *layout) place(pos int64) {
	l.entries = l.entries[:0]
	add := func(d digest.Digest, size int64) int64 {
		e := entry{digest: d, size: size, frame: pos, offset: pos + frameOf(d, size, pos).length()}
		l.entries = append(l.entries, e)
		pos = e.end()
		return e.offset
	}
	for i := range l.header.Blobs {
		b := &l.header.Blobs[i]
		b.Offset = add(b.Digest, b.Size)
	}
	for i := range l.header.Manifests {
		m := &l.header.Manifests[i]
		m.Offset = add(m.Digest, m.Size)
	}
	l.size = pos + trailer
}

// frame is the bytes before an entry's payload.
func (l *layout) frame(e *entry) []byte { return frameOf(e.digest, e.size, e.frame).bytes(e.size) }
