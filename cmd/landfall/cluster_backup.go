package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func newClusterBackup() *cobra.Command {
	var out, keyFile string
	c := &cobra.Command{
		Use:   "backup NAME -o FILE",
		Short: "Save a cluster's state, definition, variables and keys in one encrypted file",
		Long: "Save all that a cluster can be formed again from on other hosts: the state of its etcd, which definition it runs, what it is\n" +
			"made of, the values of its variables and its keys. It is encrypted with the key of FILE, which is made when it is not there,\n" +
			"without --key with the site's own (values.key of its data folder): keep that key apart from the backup. The content of the\n" +
			"definition is not in it; 'landfall content backup' or bundles bring that.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&out, "output", "o", "", "write it to this `file`, which appears when it is whole")
	c.Flags().StringVar(&keyFile, "key", "", "encrypt it with the key in this `file`")
	asJSON := jsonFlag(c)
	_ = c.MarkFlagRequired("output")
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		key, err := backupKey(keyFile, true)
		if err != nil {
			return err
		}
		from, err := client.BackUpCluster(c.Context(), args[0], key)
		if err != nil {
			return err
		}
		defer from.Close()
		size, err := writeAside(c.Context(), out, from)
		if err != nil {
			return fmt.Errorf("%s: %w", out, err)
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), map[string]any{"cluster": args[0], "file": out, "size": size})
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s of cluster %s\n", out, units.Bytes(size), args[0])
		return err
	})
	return c
}

// backupKey is the key of a file, nil without one. With create, a file that is not there
// is made.
func backupKey(file string, create bool) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	content, err := readAtMost(file, maxValueFile)
	if create && errors.Is(err, fs.ErrNotExist) {
		content = sitevalues.NewKey()
		err = durable.WriteFile(file, content, 0o600)
	}
	if err != nil {
		return nil, err
	}
	key, err := sitevalues.DeriveFrom(content, clusters.BackupPurpose)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// writeAside writes a file that appears when it is whole, for its owner alone.
func writeAside(ctx context.Context, path string, from io.Reader) (size int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".landfall-*")
	if err != nil {
		return 0, registry.DiskError(err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
			err = registry.DiskError(err)
		}
	}()
	if err := durable.Copy(ctx, f, from); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), errors.Join(f.Sync(), durable.Rename(f.Name(), path))
}

func newClusterRestore() *cobra.Command {
	var file, keyFile string
	var request clusters.RestoreRequest
	u := &uploader{}
	c := &cobra.Command{
		Use:   "restore BACKUP [--hosts OLD=NEW,…] [-f FILE]",
		Short: "Form a cluster again from a backup, on fresh hosts",
		Long: "Form a cluster again from a backup: the site needs the content of its definition, and hosts that are linked. --hosts says which\n" +
			"host takes the place of which; those that are not named are called as before. Or FILE is a document of the same cluster with\n" +
			"other hosts. The key is that of 'backup': the site's own, or --key, which also takes a copy of another site's values.key.",
		Args: cobra.ExactArgs(1),
	}
	u.siteFlags = addSiteFlags(c)
	c.Flags().StringToStringVar(&request.Hosts, "hosts", nil, "`OLD=NEW`: hosts that take the place of others; may be repeated")
	c.Flags().StringVarP(&file, "file", "f", "", "the cluster's document with its hosts; '-' for standard input")
	c.Flags().StringVar(&keyFile, "key", "", "the key that it was encrypted with is in this `file`")
	c.MarkFlagsMutuallyExclusive("hosts", "file")
	wait, asJSON := addWait(c), jsonFlag(c)
	c.RunE = u.ask(func(c *cobra.Command, client *api.Client, args []string) (err error) {
		if request.Key, err = backupKey(keyFile, false); err != nil {
			return err
		}
		if file != "" {
			document, err := readCluster(c.InOrStdin(), file, "")
			if err != nil {
				return err
			}
			request.Document = document.Document
		}
		if err := u.connect(c.Context()); err != nil {
			return err
		}
		defer u.opts.Client.CloseIdleConnections()
		sent, err := u.send(c, args[0])
		if err != nil {
			return err
		}
		one, err := client.RestoreCluster(c.Context(), sent.ID, request)
		if err != nil {
			return err
		}
		return finish(c, client, one, *wait, *asJSON)
	})
	return c
}
