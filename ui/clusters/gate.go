package clusters

import (
	"context"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// named is how many items of a definition an error names.
const named = 5

// gate proves that all content of a definition, NAME:VERSION, for the platforms of hosts
// is at the site. It is asked before anything is noted, and again by each run.
func (c *Clusters) gate(ctx context.Context, definition string, hosts []host.Host) error {
	report, err := c.opts.Definitions.Check(ctx, definition, definitions.CheckOptions{Platforms: platformsOf(hosts)})
	if err != nil {
		return err
	}
	if err = report.Err(); err == nil {
		return nil
	}
	var list []string
	for _, i := range report.Items {
		if i.State == closure.Complete {
			continue
		}
		if len(list) == named {
			list = append(list, "…")
			break
		}
		list = append(list, i.Kind+" "+i.Name)
	}
	return fmt.Errorf("%w: %s; 'landfall definition check %s --wants FILE' lists what has to be brought", err, strings.Join(list, ", "), definition)
}
