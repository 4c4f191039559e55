package agent

import (
	"encoding/json"
	"regexp"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// bootstrapToken is the form of the tokens of kubeadm. They are secret, and may be
// others when the same operation is asked for again.
var bootstrapToken = regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`)

// login is how the source's account and password are in files of container runtimes.
var login = regexp.MustCompile(`("Basic |\bauth: ")[A-Za-z0-9+/]+=*"`)

// identity tells whether two operations are the same one. What content is counts, not
// where it comes from: the appliance may have moved, and passwords change; secrets are
// not part of what is hashed, as hashes of short ones can be guessed.
func identity(op *host.Op) digest.Digest {
	o := *op
	if o.Check != nil {
		check := *o.Check
		check.Source = nil
		o.Check = &check
	}
	if o.Files != nil {
		o.Files = withoutSecrets(o.Files)
	}
	if o.Provider != nil {
		provider := *o.Provider
		provider.Blob.Source = host.Source{}
		o.Provider = &provider
	}
	if o.Kubeadm != nil {
		step := *o.Kubeadm
		step.Config = bootstrapToken.ReplaceAll(step.Config, []byte("token"))
		o.Kubeadm = &step
	}
	if o.Pull != nil {
		pull := *o.Pull
		pull.Source = host.Source{}
		o.Pull = &pull
	}
	content, err := json.Marshal(o)
	if err != nil {
		panic(err) // it has only what JSON can say
	}
	return digest.FromBytes(content)
}

func withoutSecrets(f *host.Files) *host.Files {
	without := &host.Files{Remove: f.Remove}
	for _, file := range f.Put {
		if file.Blob != nil {
			blob := *file.Blob
			blob.Source = host.Source{}
			file.Blob = &blob
		}
		file.Content = []byte(digest.FromBytes(login.ReplaceAll(file.Content, nil)))
		without.Put = append(without.Put, file)
	}
	return without
}
