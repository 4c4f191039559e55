package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"time"
)

// Administrators is the group to which Kubernetes allows everything, whatever its own
// rules say.
const Administrators = "system:masters"

// Kubeconfig is how somebody of a group speaks to the API server at HOST:PORT, valid for
// a time: YAML, which JSON is.
func (k *Keys) Kubeconfig(cluster, endpoint, user, group string, now time.Time, valid time.Duration) ([]byte, error) {
	authority, signer, err := k.Cluster.open()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := certificate(pkix.Name{CommonName: user, Organization: []string{group}}, now, valid)
	if err != nil {
		return nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	text, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return encodeKubeconfig(cluster, endpoint, user, k.Cluster.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), text)
}

type named map[string]any

func encodeKubeconfig(cluster, endpoint, user string, authority, certificate, key []byte) ([]byte, error) {
	name := user + "@" + cluster
	return json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []named{{"name": cluster, "cluster": named{"server": "https://" + endpoint, "certificate-authority-data": authority}}},
		"users":    []named{{"name": user, "user": named{"client-certificate-data": certificate, "client-key-data": key}}},
		"contexts": []named{{"name": name, "context": named{"cluster": cluster, "user": user}}},
	}, "", "  ")
}
