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

	"github.com/landfall-dev/landfall/ui/auth"
)

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	if err != nil {
		fmt.Fprintln(root.ErrOrStderr(), "landfall: "+strings.TrimSpace(err.Error()))
		switch {
		case code == exitUsage:
			fmt.Fprintln(root.ErrOrStderr(), "Run 'landfall help' for how it is used.")
		case errors.Is(err, auth.ErrUnauthenticated):
			fmt.Fprintln(root.ErrOrStderr(), "Show who you are with --token-file FILE or "+tokenEnv+".")
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
		group("definition", "Resolve profiles into cluster definitions, and prove that a site has all of one", newDefinitionBuild(), newDefinitionShow(),
			newDefinitionDiff(), newDefinitionCheck(), newDefinitionPush(), newDefinitionLs(), newDefinitionValues(), newDefinitionSet(),
			newDefinitionConvert(), newDefinitionKubernetes(), newDefinitionSchema()),
		group("host", "Link machines to an appliance, and see what they are", newHostLs(), newHostShow(), newHostToken(), newHostLink(), newHostUnlink()),
		group("cluster", "Form Kubernetes clusters of hosts, upgrade them and bring them back", newClusterCreate(), newClusterGet(), newClusterUpgrade(),
			newClusterRollback(), newClusterScale(), newClusterSet(), newClusterPause(), newClusterResume(), newClusterRenew(), newClusterDrift(), newClusterBackup(), newClusterRestore(), newClusterDelete(), newClusterKubeconfig()),
		group("content", "See and change what a site holds", newContentLs(), newContentShow(), newContentRm(), newContentExport(),
			newContentScrub(), newContentCollect(), newContentUndo(), newContentWhy(), newContentPin(), newContentUnpin(), newContentPins(),
			newContentPolicy(), newContentRetain(), newContentBackup(), newContentRestore()),
		group("key", "Make keys that sign bundles", newKeyGenerate(), newKeyShow(), newKeyRotate()),
		group("trust", "Say whose bundles a site lets in", newTrustPolicy(), newTrustState(), newTrustImages(), newTrustRotate()),
		group("sync", "Keep a site, a registry or a bundle level with its sources", newSyncPlan(), newSyncRun(), newSyncSchema(),
			newSyncLs(), newSyncRuns(), newSyncStart(), newSyncCancel()),
		group("audit", "See and prove who changed what at a site", newAuditLs(), newAuditExport(), newAuditVerify()),
		group("user", "Say who may sign in at a site, and what they may do", newUserAdd(), newUserLs(), newUserShow(), newUserChange(), newUserPasswd(), newUserRm()),
		group("token", "Make and end tokens of programs and users", newTokenCreate(), newTokenLs(), newTokenRenew(), newTokenRevoke()),
		group("job", "See and end what an appliance does in the background", newJobLs(), newJobShow(), newJobLog(), newJobCancel(), newJobRetry()),
		group("media", "See and import what is on an appliance's drives", newMediaLs(), newMediaImport(), newMediaRescan(), newMediaEject()),
		group("settings", "See and change how a running appliance is set up", newSettingsShow(), newSettingsSet()),
		group("tls", "See and change how an appliance proves itself", newTLSShow(), newTLSSet(), newTLSReset(), newTLSCA()),
		group("config", "See and check how an appliance is set up", newConfigShow(), newConfigCheck(), newConfigSchema()),
		newReceipt(),
		newUpload(),
		newDoctor(),
		newDiagnostics(),
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
	check := c.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := errors.Join(check(c, args), c.ValidateFlagGroups(), checkToken(c)); err != nil {
			return usageError{fmt.Errorf("%s: %w", c.CommandPath(), err)}
		}
		return nil
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
