package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	if err != nil {
		fmt.Fprintln(root.ErrOrStderr(), "landfall: "+strings.TrimSpace(err.Error()))
		if code == exitUsage {
			fmt.Fprintln(root.ErrOrStderr(), "Run 'landfall help' for how it is used.")
		}
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "landfall",
		Short:         "Carry container content across an airgap and serve it there",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newServe(),
		group("bundle", "Make, check and land bundles", newBundleCreate(), newBundleInspect(), newBundleVerify(), newBundleDiff(), newBundleImport(), newBundleSign(), newBundleInflate()),
		group("content", "See and change what a site holds", newContentLs(), newContentShow(), newContentRm(), newContentExport(),
			newContentScrub(), newContentCollect(), newContentUndo(), newContentWhy(), newContentPin(), newContentUnpin(), newContentPins(),
			newContentPolicy(), newContentRetain(), newContentBackup(), newContentRestore()),
		group("key", "Make keys that sign bundles", newKeyGenerate(), newKeyShow(), newKeyRotate()),
		group("trust", "Say whose bundles a site lets in", newTrustPolicy(), newTrustState(), newTrustImages(), newTrustRotate()),
		group("sync", "Keep a site, a registry or a bundle level with its sources", newSyncPlan(), newSyncRun(), newSyncSchema(),
			newSyncLs(), newSyncRuns(), newSyncStart(), newSyncCancel()),
		group("audit", "See and prove who changed what at a site", newAuditLs(), newAuditExport(), newAuditVerify()),
		group("config", "See and check how an appliance is set up", newConfigShow(), newConfigCheck(), newConfigSchema()),
		newReceipt(),
		newUpload(),
		newDoctor(),
		newNodeConfig(),
	)
	checkArgs(root)
	return root
}

func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		c.SetOut(c.ErrOrStderr())
		return errors.Join(usageError{fmt.Errorf("%s: which verb?", c.CommandPath())}, c.Help())
	}}
	g.AddCommand(verbs...)
	return g
}

// checkArgs makes every complaint about arguments a usage error.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := errors.Join(check(c, args), c.ValidateFlagGroups()); err != nil {
				return usageError{fmt.Errorf("%s: %w", c.CommandPath(), err)}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// jsonFlag adds --json to a verb.
func jsonFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("json", false, "print the result as JSON on standard output")
}

// printJSON writes a result for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
