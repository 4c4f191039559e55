package mirror

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"testing"
)

// simpleSigning is the media type of what cosign signs ("Cosign signature
// specifications").
const simpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"

// signer is a key, and the file of its public half.
type signer struct {
	key  crypto.Signer
	file string
}

func newSigner(t *testing.T, kind string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if kind == "ed25519" {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return signer{key, writeFile(t, kind+".pub", text)}
}

// signature is what cosign would push for an image: about is what it says it signs.
func (s signer) signature(t *testing.T, of image, about string) image {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, about)
	sum := sha256.Sum256(payload)
	signed, options := sum[:], crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		signed, options = payload, crypto.Hash(0)
	}
	raw, err := s.key.Sign(rand.Reader, signed, options)
	if err != nil {
		t.Fatal(err)
	}
	i := image{repository: of.repository, tag: signatureTag(of.digest()), kind: manifestType, blobs: [][]byte{[]byte(`{"rootfs":{"type":"layers"}}`), payload}}
	config, layer := describe(configType, i.blobs[0]), describe(simpleSigning, payload)
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(raw)}
	return i.seal(document{Config: &config, Layers: []descriptor{layer}})
}

// Only what is signed arrives; the report names the rest.
func TestVerify(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ecdsa", "ed25519"} {
		for _, to := range []string{"store", "distribution", "bundle"} {
			t.Run(kind+" to "+to, func(t *testing.T) {
				t.Parallel()
				ours, others := newSigner(t, kind), newSigner(t, "ecdsa")
				prefix := fresh()
				signed := newImage(prefix+"/app", "v1", "amd64", noise(2000))
				bare := newImage(prefix+"/app", "v2", "amd64", noise(2000))
				foreign := newImage(prefix+"/app", "v3", "amd64", noise(2000))
				forged := newImage(prefix+"/app", "v4", "amd64", noise(2000))
				good := content{signed, ours.signature(t, signed, signed.digest())}
				bad := content{bare, foreign, others.signature(t, foreign, foreign.digest()), forged, ours.signature(t, forged, signed.digest())}
				u := newUpstream(t, "distribution", append(slices.Clone(good), bad...))
				d := newDestination(t, to)
				file := u.file(t, "verify: [{keys: "+ours.file+"}]")
				r := d.sync(t, file)
				p := r.report(t)
				var refused []string
				for _, i := range bad.names() {
					refused = append(refused, u.source(i.name()))
				}
				if r.code != exitRefused || !slices.Equal(p.in("refused"), refused) || p.count("copied") != 1 {
					t.Errorf("want %q refused: %s", refused, r)
				}
				if to == "store" { // it is read when all runs are over
					recorded(t, u, d, ours)
					return
				}
				at := d.read(t)
				level(t, at, good, u.landed)
				for _, i := range bad {
					absent(t, at, i, u.landed(i.repository))
				}
			})
		}
	}
}

// recorded: with unsigned: record everything arrives.
func recorded(t *testing.T, u *upstream, d *destination, s signer) {
	t.Helper()
	d.mustSync(t, u.file(t, "verify: [{keys: ["+s.file+"], unsigned: record}]"))
	level(t, d.read(t), u.content, u.landed)
}

// Rules count by repository: the first that matches.
func TestVerifySome(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "ecdsa")
	u := newUpstream(t, "ggcr", newContent(fresh()))
	d := newDestination(t, "landfall")
	r := d.sync(t, u.file(t, "verify: [{repositories: ['"+u.Host()+"/**/app'], keys: "+s.file+"}]"))
	p := r.report(t)
	if r.code != exitRefused || p.count("refused") != 2 || p.count("copied") != 2 {
		t.Error(r)
	}
	level(t, d.read(t), u.content.without(func(i image) bool { return i.repository == u.content[0].repository }), u.landed)
}
