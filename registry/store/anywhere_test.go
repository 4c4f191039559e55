package store

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Content is found by its digest, unless it is damaged or gone; what is told to
// be here stays while somebody builds on it.
func TestAnywhere(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	d := k.image(ref("a", "v1"), nil, "config", "layer")
	signature := k.image(ref("b", ""), &d, "signature")
	m, content, err := k.ManifestOf(t.Context(), d.Digest)
	k.must(err)
	if m.Digest != d.Digest || m.MediaType != d.MediaType || m.Size != int64(len(content)) {
		t.Errorf("%+v, %d bytes", m, len(content))
	}
	if list, err := k.ReferrersOf(t.Context(), d.Digest); err != nil || len(list) != 1 || list[0].Digest != signature.Digest {
		t.Errorf("referrers %v, %v", list, err)
	}
	wrong := layerOf("layer")
	wrong.Size++
	missing, err := k.MissingBlobs(t.Context(), []registry.Descriptor{layerOf("config"), layerOf("other"), wrong})
	k.must(err)
	if len(missing) != 2 || missing[0].Digest != layerOf("other").Digest || missing[1].Digest != wrong.Digest {
		t.Errorf("missing %v", missing)
	}
	if got := k.holdings(); len(got) != 5 {
		t.Errorf("it holds %v", got)
	}
	k.must(k.Delete(t.Context(), ref("a", "v1")))
	k.collect(CollectOptions{})
	if ok := k.hasBlob("a", "config"); !ok {
		t.Error("a blob that was told to be here was collected")
	}
	k.flip(layerOf("layer").Digest)
	_, err = k.Scrub(t.Context(), ScrubOptions{Fresh: true})
	k.must(err)
	if got := k.holdings(); slices.Contains(got, layerOf("layer").Digest) {
		t.Error("a receipt would promise a damaged blob")
	}
	if _, _, err := k.ManifestOf(t.Context(), digest.FromString("no")); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

func (k *kit) holdings() (list []digest.Digest) {
	k.t.Helper()
	k.must(k.Holdings(k.t.Context(), func(h Holding) { list = append(list, h.Digest) }))
	return list
}

// A site has one key for ever, whoever asks first.
func TestSiteKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKit(t, dir, Options{})
	ids := make(chan string, 4)
	for range 4 {
		go func() {
			id, err := k.SiteID(t.Context())
			if err != nil {
				t.Error(err)
			}
			ids <- id
		}()
	}
	first := <-ids
	for range 3 {
		if id := <-ids; id != first {
			t.Errorf("%s and %s", id, first)
		}
	}
	for _, name := range []string{Database, Database + "-wal"} {
		if info, err := os.Stat(k.path(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key is in a file that others can read: %v, %v", info.Mode(), err)
		}
	}
	k.must(k.Close())
	if id, err := openKit(t, dir, Options{}).SiteID(t.Context()); err != nil || id != first {
		t.Errorf("%s, %v; want %s", id, err, first)
	}
}

// Policy and state survive; a policy that is none changes nothing.
func TestTrustIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKit(t, dir, Options{})
	k.must(k.MayPush(t.Context()))
	text := []byte("version: 1\npushes: refuse\n")
	k.must(k.SetTrustPolicy(t.Context(), text))
	if err := k.SetTrustPolicy(t.Context(), []byte("version: 2")); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
	if err := k.MayPush(t.Context()); !errors.Is(err, registry.ErrUntrusted) {
		t.Error(err)
	}
	verdict := trust.ImageVerdict{Repository: "a/b", Digest: digest.FromString("x"), Verified: true}
	for range 3 {
		b, err := k.Batch(t.Context())
		k.must(err)
		b.(*batch).Remember(func(s trust.State) trust.State {
			s.Newest = s.Newest.Add(time.Hour)
			return s
		}, []trust.ImageVerdict{verdict})
		k.must(b.Commit(t.Context()))
		k.must(b.Close())
	}
	k.must(k.Close())
	k = openKit(t, dir, Options{})
	if got, err := k.TrustPolicyText(t.Context()); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%q, %v", got, err)
	}
	if s, err := k.TrustState(t.Context()); err != nil || !s.Newest.Equal(time.Time{}.Add(3*time.Hour)) {
		t.Errorf("%+v, %v", s, err)
	}
	if v, err := k.ImageVerdict(t.Context(), "a/b", verdict.Digest); err != nil || !v.Verified {
		t.Errorf("%+v, %v", v, err)
	}
	k.must(k.SetTrustPolicy(t.Context(), nil))
	k.must(k.MayPush(t.Context()))
}
