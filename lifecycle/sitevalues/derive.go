package sitevalues

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Derive is a key for another purpose, of the same size as that of sealed values: from
// the one, nobody finds the other.
func (v *Values) Derive(purpose string) ([]byte, error) {
	key, err := v.keys.load(true)
	if err != nil {
		return nil, err
	}
	return derive(key, purpose)
}

// DeriveFrom is Derive with the content of a key file, ErrInvalid when it is none.
func DeriveFrom(file []byte, purpose string) ([]byte, error) {
	key, err := parseKey(file)
	if err != nil {
		return nil, err
	}
	return derive(key, purpose)
}

func derive(key []byte, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, key, nil, purpose, keySize)
}

// NewKey is the content of a key file with a new key.
func NewKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	return []byte(keyPrefix + base64.StdEncoding.EncodeToString(key) + "\n")
}
