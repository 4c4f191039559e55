package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

func newKeyGenerate() *cobra.Command {
	var output, kind string
	c := &cobra.Command{
		Use:   "generate",
		Short: "Make a key that signs bundles",
		Long:  "Write NAME.key, which signs and has to stay secret, and NAME.pub, which sites get to know.",
		Args:  cobra.NoArgs,
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`name` of the files, without .key and .pub")
	c.Flags().StringVar(&kind, "type", trust.ECDSA, "`kind` of key: "+trust.ECDSA+" or "+trust.Ed25519)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if output == "" {
			return usageError{errors.New("name the files to make with -o NAME")}
		}
		k, err := trust.Generate(kind)
		if err != nil {
			return usageError{err}
		}
		if err := writeKey(output, k); err != nil {
			return err
		}
		return printKey(c, k.Key, output+".pub", *asJSON)
	}
	return c
}

// writeKey replaces no file: another key may be the only one of its kind.
func writeKey(name string, k *trust.PrivateKey) error {
	private, err := k.PEM()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path    string
		content []byte
		mode    fs.FileMode
	}{{name + ".key", private, 0o600}, {name + ".pub", k.Key.PEM(), 0o644}} {
		if err := writeNew(f.path, f.content, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// writeNew makes a file that is not there yet, whole or not at all.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s exists; remove it, or choose another name", registry.ErrConflict, path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
		return registry.DiskError(err)
	}
	return nil
}

func newKeyShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show FILE",
		Short: "Say which key a file holds",
		Args:  cobra.ExactArgs(1),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		k, err := readAnyKey(args[0])
		if err != nil {
			return err
		}
		return printKey(c, k, args[0], *asJSON)
	}
	return c
}

// shownKey is what key generate and key show print.
type shownKey struct {
	File string `json:"file"`
	ID   string `json:"id"`
	Kind string `json:"type"`
}

func printKey(c *cobra.Command, k trust.Key, file string, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), shownKey{file, k.ID(), k.Kind()})
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: key %s (%s)\n", file, k.ID(), k.Kind())
	return err
}

// readKey reads a public key.
func readKey(path string) (trust.Key, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return trust.Key{}, usageError{err}
	}
	k, err := trust.ParseKey(content)
	if err != nil {
		return k, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return k, nil
}

// readAnyKey is the public part of a key of either kind.
func readAnyKey(path string) (trust.Key, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return trust.Key{}, usageError{err}
	}
	if k, err := trust.ParsePrivateKey(content); err == nil {
		return k.Key, nil
	}
	return readKey(path)
}

// readPrivateKeys reads keys that sign.
func readPrivateKeys(paths []string) (keys []*trust.PrivateKey, err error) {
	seen := map[string]bool{}
	for _, path := range paths {
		if strings.HasPrefix(path, "pkcs11:") {
			return nil, usageError{fmt.Errorf("%.80q: keys in PKCS #11 tokens cannot be used by this version; give a PEM file", path)}
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, usageError{err}
		}
		k, err := trust.ParsePrivateKey(content)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", path, err)}
		}
		if seen[k.ID()] {
			return nil, usageError{fmt.Errorf("%s: key %s is given twice", path, k.ID())}
		}
		seen[k.ID()] = true
		keys = append(keys, k)
	}
	return keys, nil
}

func newKeyRotate() *cobra.Command {
	var signers []string
	var fresh, output, overlap string
	c := &cobra.Command{
		Use:   "rotate",
		Short: "State that a new key takes an old one's place",
		Long: "Write a statement that 'landfall trust rotate' at a site takes: the new key gets the old one's owner and rights, and\n" +
			"the old one an end. The first key that signs is the old one; where a policy asks for several signatures, others\n" +
			"have to sign as well.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&fresh, "new", "", "the new public `key` file")
	c.Flags().StringArrayVar(&signers, "sign", nil, "private `key` file that signs, the old key first; may be repeated")
	c.Flags().StringVar(&overlap, "overlap", "30d", "for this `time` the old key's bundles are let in too")
	c.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if fresh == "" || output == "" || len(signers) == 0 {
			return usageError{errors.New("name the new key with --new, the old one with --sign, and the file to write with -o")}
		}
		lasts, err := units.ParseAge(overlap)
		if err != nil {
			return usageError{fmt.Errorf("--overlap %q: %w", overlap, err)}
		}
		keys, err := readPrivateKeys(signers)
		if err != nil {
			return err
		}
		public, err := readKey(fresh)
		if err != nil {
			return err
		}
		now := time.Now().Truncate(time.Second)
		r := trust.Rotation{Created: now, Old: keys[0].ID(), OldUntil: now.Add(lasts), New: public}
		content, err := r.Marshal(keys)
		if err == nil {
			err = writeNew(output, content, 0o644)
		}
		if err == nil {
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: key %s takes the place of %s\n", output, public.ID(), r.Old)
		}
		return err
	}
	return c
}
