package sitevalues

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// A sealed value:
//
//	1 byte    1: this form
//	8 bytes   the start of the SHA-256 of the key, to tell keys apart
//	12 bytes  a random nonce
//	rest      AES-256-GCM of the JSON, with its tag of 16 bytes
//
// Authenticated with it is where it belongs, so that nobody who can write the
// database moves a secret to a variable that is shown: the texts "landfall value 1",
// scope and name, each with its length in bytes and a colon before it.
//
// The key file is one line: keyPrefix and the key in base64.
const (
	sealForm  = 1
	keySize   = 32
	idSize    = 8
	sealHead  = 1 + idSize
	keyPrefix = "landfall-values-key-1:"
	sealName  = "landfall value 1"
)

// keyring seals and opens with the key of a file.
type keyring struct {
	path string

	mu   sync.Mutex // protects key, and is held while the file is made
	key  []byte
	note os.FileInfo // of the file that it was read from
}

// load reads the key, again when the file is another one; a new one is made when it is
// not there and make says so.
func (k *keyring) load(create bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) && create {
		return k.create()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: it is the key of sealed values: bring it back from where it was kept beside the backup, or set the value anew", k.path, registry.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if k.key != nil && k.note != nil && os.SameFile(k.note, info) && k.note.ModTime().Equal(info.ModTime()) {
		return k.key, nil
	}
	content, err := os.ReadFile(k.path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 { // as it came out of a backup
		if err := os.Chmod(k.path, 0o600); err != nil {
			return nil, err
		}
	}
	key, err := parseKey(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.path, err)
	}
	k.key, k.note = key, info
	return key, nil
}

// create makes a key; mu is held. It is on the disk before anything is sealed with it.
func (k *keyring) create() ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	line := keyPrefix + base64.StdEncoding.EncodeToString(key) + "\n"
	if err := durable.WriteFile(k.path, []byte(line), 0o600); err != nil {
		return nil, fmt.Errorf("the key of sealed values: %w", registry.DiskError(err))
	}
	k.key, k.note = key, nil // read again the next time
	return key, nil
}

func parseKey(content []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(content), "\n"), keyPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(key) != keySize {
		return nil, fmt.Errorf("%w: it is no key of sealed values", registry.ErrInvalid)
	}
	return key, nil
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// place is what is authenticated with a value: where it belongs.
func place(scope, name string) []byte {
	var b []byte
	for _, text := range []string{sealName, scope, name} {
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(append(b, ':'), text...)
	}
	return b
}

// seal encrypts a value for one place.
func (k *keyring) seal(content []byte, scope, name string) ([]byte, error) {
	key, err := k.load(true)
	if err != nil {
		return nil, err
	}
	gcm, err := aead(key)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(key)
	sealed := append([]byte{sealForm}, id[:idSize]...)
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	sealed = append(sealed, nonce...)
	return gcm.Seal(sealed, nonce, content, place(scope, name)), nil
}

// open decrypts a value of a place. ErrInvalid when it was sealed for another one, by
// another key, or changed since; ErrNotFound when there is no key.
func (k *keyring) open(sealed []byte, scope, name string) ([]byte, error) {
	key, err := k.load(false)
	if err != nil {
		return nil, err
	}
	gcm, err := aead(key)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(key)
	switch {
	case len(sealed) < sealHead+gcm.NonceSize() || sealed[0] != sealForm:
		return nil, fmt.Errorf("%w: it is not sealed as this version does: set the value anew", registry.ErrInvalid)
	case string(sealed[1:sealHead]) != string(id[:idSize]):
		return nil, fmt.Errorf("%w: it was sealed with another key than %s has: bring that back, or set the value anew", registry.ErrInvalid, k.path)
	}
	nonce, rest := sealed[sealHead:sealHead+gcm.NonceSize()], sealed[sealHead+gcm.NonceSize():]
	content, err := gcm.Open(nil, nonce, rest, place(scope, name))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed since it was sealed, or sealed for another variable: set the value anew", registry.ErrInvalid)
	}
	return content, nil
}

// Seal encrypts a secret that is no value of a variable, with the same key: for one
// place, a scope and a name in it, which no definition has.
func (v *Values) Seal(content []byte, scope, name string) ([]byte, error) {
	return v.keys.seal(content, scope, name)
}

// Unseal is what Seal sealed for a place. ErrInvalid when it was for another one, or with
// another key; ErrNotFound without a key.
func (v *Values) Unseal(sealed []byte, scope, name string) ([]byte, error) {
	return v.keys.open(sealed, scope, name)
}
