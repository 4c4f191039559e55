package landing_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/landing"
)

// outlineOf makes an outline of a bundle the way that the API tells clients to.
func outlineOf(t testing.TB, content []byte, signatures ...[]byte) landing.Outline {
	t.Helper()
	pos := 0
	var header struct{ Blobs []landing.Range }
	for n := range 4 {
		size, err := strconv.ParseInt(strings.TrimRight(string(content[pos+124:pos+136]), "\x00"), 8, 64)
		must(t, err)
		if n == 2 {
			must(t, json.Unmarshal(content[pos+512:pos+512+int(size)], &header))
		}
		pos += 512 + (int(size)+511)/512*512
	}
	tail := int64(pos)
	if len(header.Blobs) > 0 {
		last := header.Blobs[len(header.Blobs)-1]
		tail = (last.Offset + last.Size + 511) / 512 * 512
	}
	whole := int64(len(content))
	return landing.Outline{Size: whole, Signatures: signatures, Pieces: []landing.Piece{
		pieceOf(content, landing.Range{Offset: 0, Size: int64(pos)}), pieceOf(content, landing.Range{Offset: tail, Size: whole - tail})}}
}

func pieceOf(content []byte, r landing.Range) landing.Piece {
	return landing.Piece{Range: r, Bytes: bytes.NewReader(content[r.Offset : r.Offset+r.Size])}
}

// ask inspects an outline, with what the site asks for as well.
func (a *appliance) ask(t testing.TB, content []byte, signatures ...[]byte) (i *landing.Inspection, more int, err error) {
	t.Helper()
	o := outlineOf(t, content, signatures...)
	i, err = a.landing.InspectOutline(t.Context(), o)
	if unsent := (*landing.UnsentError)(nil); errors.As(err, &unsent) {
		pieces := o.Pieces[:1:1]
		for _, r := range unsent.Ranges {
			pieces = append(pieces, pieceOf(content, r))
		}
		o.Pieces = append(pieces, o.Pieces[1])
		more = len(unsent.Ranges)
		i, err = a.landing.InspectOutline(t.Context(), o)
	}
	return i, more, err
}

// equal proves that an outline says what the file says.
func (a *appliance) equal(t *testing.T, what, path string, asked int, signatures ...[]byte) *landing.Inspection {
	t.Helper()
	s := landing.Source{Path: path}
	for _, sig := range signatures {
		s.Signatures = append(s.Signatures, save(t, sig))
	}
	want, err := a.landing.Inspect(t.Context(), s)
	must(t, err)
	got, more, err := a.ask(t, bytesOf(t, path), signatures...)
	if err != nil || more != asked {
		t.Errorf("%s: asked for %d ranges, want %d; %v", what, more, asked, err)
		return want
	}
	for _, i := range []*landing.Inspection{got, want} { // these are of the moment
		if i.Free = 0; i.Verdict != nil {
			i.Verdict.Now = time.Time{}
		}
	}
	if g, w := asJSON(t, got), asJSON(t, want); !bytes.Equal(g, w) {
		t.Errorf("%s:\n%s, want\n%s", what, g, w)
	}
	return want
}

// An outline says of a bundle what the bundle would: of one that is plain, signed in
// it and beside it, old, thin, at sites that have all, some and none of it.
func TestOutline(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	k := generate(t)
	plain := newBundle(t, f, bundle.CreateOptions{})
	channel := bundle.CreateOptions{Channel: "c", Sequence: 3, Keys: []*trust.PrivateKey{k}}
	signed := newBundle(t, f, channel)
	beside, err := bundle.SignDetached(plain, k)
	must(t, err)
	a := newAppliance(t, t.TempDir())
	a.equal(t, "plain", plain, 2) // the configs of the two images that no index lists
	a.equal(t, "signed, no policy", signed, 2)
	a.trusts(t, k, "")
	if i := a.equal(t, "not signed", plain, 2); i.Refused == "" {
		t.Errorf("%+v", i)
	}
	if i := a.equal(t, "signed beside", plain, 2, beside); i.Verdict == nil || len(i.Verdict.Signers) != 1 {
		t.Errorf("%+v", i)
	}
	if i := a.equal(t, "signed", signed, 2); i.Verdict == nil || len(i.Signatures) != 1 {
		t.Errorf("%+v", i)
	}
	a.done(t, a.land(t, landing.Source{Path: signed}, landing.Request{}).ID)
	if i := a.equal(t, "there already", signed, 2); i.New != 0 {
		t.Errorf("%+v", i)
	}
	channel.Sequence = 2
	if i := a.equal(t, "rolled back", newBundle(t, f, channel), 2); !i.Overrides {
		t.Errorf("%+v", i)
	}
}

// A thin bundle's outline says whether what it needs is there.
func TestThinOutline(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	have := func(d digest.Digest) bool { return d == f.Layer.Digest || d == f.Index.Digest }
	thin := newBundle(t, f, bundle.CreateOptions{Have: have})
	a := newAppliance(t, t.TempDir())
	if i := a.equal(t, "at a site without it", thin, 2); !i.Thin || i.Wants == nil {
		t.Errorf("%+v", i)
	}
	a.done(t, a.start(t, newBundle(t, f, bundle.CreateOptions{}), landing.Request{}).ID)
	if i := a.equal(t, "at a site with it", thin, 2); !i.Thin || i.Wants != nil || i.Refused != "" {
		t.Errorf("%+v", i)
	}
	all := newBundle(t, f, bundle.CreateOptions{Have: func(digest.Digest) bool { return true }})
	a.equal(t, "that carries nothing", all, 0)
}

// Where a rule wants images signed, their signatures are asked for.
func TestOutlineOfSignedImage(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	k := generate(t)
	ref, _ := signedImage(t, f, k)
	g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{})
	must(t, err)
	f.Graph = g
	path := newBundle(t, f, bundle.CreateOptions{Channel: "c", Sequence: 1, Keys: []*trust.PrivateKey{k}})
	a := newAppliance(t, t.TempDir())
	a.trusts(t, k, "")
	without := a.equal(t, "no rule", path, 2)
	a.trusts(t, k, "images:\n  - repositories: ['registry.example/**']\n    keys: ["+k.ID()+"]\n")
	if i := a.equal(t, "a rule", path, 3); i.Refused != "" || without.Refused != "" {
		t.Errorf("%+v", i)
	}
	a.trusts(t, k, "images:\n  - repositories: ['elsewhere.example/**']\n    keys: ["+k.ID()+"]\n")
	a.equal(t, "a rule for others", path, 2)
}

// newerVersion is a bundle whose header says a version that nobody knows yet.
func newerVersion(t testing.TB, content []byte) []byte {
	t.Helper()
	changed := bytes.Replace(content, []byte(`"format":1`), []byte(`"format":9`), 1)
	start := bytes.Index(changed, []byte(`{"blobs"`))
	end := start + bytes.IndexByte(changed[start:], 0)
	sum := bytes.Index(changed, []byte("  bundle.json\n")) - 64
	copy(changed[sum:], digest.FromBytes(changed[start:end]).Encoded())
	return changed
}

// Whatever is wrong with an outline is said; what is not there is never made up.
func TestBadOutlines(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	content := bytesOf(t, newBundle(t, f, bundle.CreateOptions{}))
	other := outlineOf(t, bytesOf(t, newBundle(t, f, bundle.CreateOptions{Have: func(d digest.Digest) bool { return d == f.Layer.Digest }})))
	newer, archived, damaged := newerVersion(t, content), dockerArchive(t, 1, 10), bytes.Clone(content)
	good := outlineOf(t, content)
	head, tail := good.Pieces[0].Range, good.Pieces[1].Range
	damaged[tail.Offset+4096] ^= 1
	of := func(size int64, pieces ...landing.Piece) landing.Outline {
		return landing.Outline{Size: size, Pieces: pieces}
	}
	cut := func(ranges ...landing.Range) landing.Outline {
		o := landing.Outline{Size: good.Size}
		for _, r := range ranges {
			o.Pieces = append(o.Pieces, pieceOf(content, r))
		}
		return o
	}
	from := func(offset int64) landing.Range { return landing.Range{Offset: offset, Size: good.Size - offset} }
	whole := func(content []byte) landing.Outline {
		size := int64(len(content))
		return of(size, pieceOf(content, landing.Range{Size: size}))
	}
	for what, c := range map[string]struct {
		o    landing.Outline
		want error
	}{
		"nothing":            {landing.Outline{}, bundle.ErrFormat},
		"no pieces":          {of(good.Size), registry.ErrIncomplete},
		"no head":            {cut(tail), registry.ErrIncomplete},
		"a part of the head": {cut(landing.Range{Size: head.Size - 512}, tail), registry.ErrIncomplete},
		"half a tar header":  {cut(landing.Range{Size: 100}, tail), registry.ErrIncomplete},
		"no tail":            {cut(head), registry.ErrIncomplete},
		"a part of the tail": {cut(head, from(tail.Offset+512)), registry.ErrIncomplete},
		"without the end":    {cut(head, landing.Range{Offset: tail.Offset, Size: tail.Size - 1024}), registry.ErrIncomplete},
		"a shorter file":     {of(good.Size-512, good.Pieces...), registry.ErrInvalid},
		"a longer file":      {of(good.Size+512, good.Pieces...), registry.ErrSize},
		"a far longer file":  {of(math.MaxInt64, good.Pieces...), registry.ErrSize},
		"a negative size":    {of(-1, good.Pieces...), registry.ErrInvalid},
		"a file cut off":     {whole(content[:len(content)-512]), registry.ErrSize},
		"overlapping":        {cut(head, from(head.Size-1)), registry.ErrInvalid},
		"in another order":   {cut(tail, head), registry.ErrInvalid},
		"of two bundles":     {of(good.Size, other.Pieces[0], good.Pieces[1]), registry.ErrIncomplete},
		"a version to come":  {outlineOf(t, newer), bundle.ErrFormat},
		"an archive":         {whole(archived), bundle.ErrFormat},
		"text":               {whole([]byte("hello")), bundle.ErrFormat},
		"a damaged manifest": {of(good.Size, good.Pieces[0], pieceOf(damaged, tail)), bundle.ErrFormat},
		"no signature":       {outlineOf(t, content, []byte("x")), registry.ErrInvalid},
		"a stranger's":       {outlineOf(t, content, bytes.Repeat([]byte{7}, 64)), registry.ErrUntrusted},
	} {
		i, err := a.landing.InspectOutline(t.Context(), c.o)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v, want %v", what, i, err, c.want)
		}
		if unsent := (*landing.UnsentError)(nil); errors.As(err, &unsent) && !strings.Contains(err.Error(), unsent.Ranges[0].String()+" of the file were not sent") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// However a bundle is cut, and whatever happens to a byte of it, its outline is
// refused or says what the bundle would.
func TestRandomOutlines(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	k := generate(t)
	content := bytesOf(t, newBundle(t, f, bundle.CreateOptions{Channel: "c", Sequence: 1, Keys: []*trust.PrivateKey{k}}))
	want, _, err := a.ask(t, content)
	must(t, err)
	random := rand.New(rand.NewPCG(3, 4))
	understood := 0
	for range 2000 {
		sent := bytes.Clone(content)
		if random.IntN(2) == 0 {
			sent[random.IntN(len(sent))] ^= byte(1 + random.IntN(255))
		}
		o, at := landing.Outline{Size: int64(len(content))}, int64(0)
		for at < o.Size {
			size := 1 + random.Int64N(o.Size-at)
			if random.IntN(20) > 0 {
				o.Pieces = append(o.Pieces, pieceOf(sent, landing.Range{Offset: at, Size: size}))
			}
			at += size
		}
		got, err := a.landing.InspectOutline(t.Context(), o)
		if err != nil {
			if p := api.NewProblem(err); p.Status < 400 || p.Status > 499 {
				t.Errorf("%d %v", p.Status, err)
			}
			continue
		}
		understood++
		got.Free, want.Free, got.Verdict.Now, want.Verdict.Now = 0, 0, time.Time{}, time.Time{}
		if g, w := asJSON(t, got), asJSON(t, want); !bytes.Equal(g, w) {
			t.Errorf("%s, want %s", g, w)
		}
	}
	if understood < 100 {
		t.Errorf("%d were understood only", understood)
	}
}
