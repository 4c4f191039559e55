package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/landfall-dev/landfall/registry/store"
)

// Source tells what the store holds and does. It is asked at each scrape, by
// several goroutines when scrapes overlap.
type Source interface {
	Stats(ctx context.Context) (store.Stats, error)
}

// patience is how long a scrape waits for the source.
const patience = 10 * time.Second

// A gauge is one number of a store's statistics.
type gauge struct {
	desc  *prometheus.Desc
	value func(*store.Stats) float64
}

func newGauge(name, help string, value func(*store.Stats) float64) gauge {
	return gauge{prometheus.NewDesc("landfall_"+name, help, nil, nil), value}
}

func number(name, help string, field func(*store.Stats) int64) gauge {
	return newGauge(name, help, func(s *store.Stats) float64 { return float64(field(s)) })
}

// moment is 0 for what has never been, so that an alert on age sees it.
func moment(name, help string, field func(*store.Stats) time.Time) gauge {
	return newGauge(name+"_timestamp_seconds", help+", 0: never.", func(s *store.Stats) float64 {
		if t := field(s); !t.IsZero() {
			return float64(t.UnixMilli()) / 1000
		}
		return 0
	})
}

func flag(name, help string, field func(*store.Stats) bool) gauge {
	return newGauge(name, help, func(s *store.Stats) float64 {
		if field(s) {
			return 1
		}
		return 0
	})
}

// gauges: what a pass has done falls back to 0 with the next one, so these are
// no counters.
var gauges = []gauge{
	number("store_repositories", "Repositories.", func(s *store.Stats) int64 { return s.Repositories }),
	number("store_tags", "Tags.", func(s *store.Stats) int64 { return s.Tags }),
	number("store_manifests", "Manifests.", func(s *store.Stats) int64 { return s.Manifests }),
	number("store_blobs", "Blobs.", func(s *store.Stats) int64 { return s.Blobs }),
	number("store_bytes", "Bytes of all blobs.", func(s *store.Stats) int64 { return s.BlobBytes }),
	number("store_uploads", "Upload sessions that are open.", func(s *store.Stats) int64 { return s.Uploads }),
	number("store_quarantined_blobs", "Blobs found damaged and not served.", func(s *store.Stats) int64 { return s.DamagedBlobs }),
	number("store_trash_blobs", "Blobs that wait to be unlinked.", func(s *store.Stats) int64 { return s.TrashBlobs }),
	number("store_trash_bytes", "Bytes of these blobs.", func(s *store.Stats) int64 { return s.TrashBytes }),
	number("store_free_bytes", "Bytes that the store may still write.", func(s *store.Stats) int64 { return s.FreeBytes }),

	flag("scrub_running", "Whether a scrub is under way.", func(s *store.Stats) bool { return s.Scrub.Running }),
	moment("scrub_started", "Begin of the running or last scrub", func(s *store.Stats) time.Time { return s.Scrub.Started }),
	moment("scrub_finished", "End of the last scrub", func(s *store.Stats) time.Time { return s.Scrub.Finished }),
	number("scrub_blobs", "Blobs read so far by this scrub.", func(s *store.Stats) int64 { return s.Scrub.Blobs }),
	number("scrub_bytes", "Bytes read so far by this scrub.", func(s *store.Stats) int64 { return s.Scrub.Bytes }),
	number("scrub_expected_bytes", "Bytes that this scrub has to read.", func(s *store.Stats) int64 { return s.Scrub.TotalBytes }),
	number("scrub_damaged_blobs", "Blobs that this scrub found damaged.", func(s *store.Stats) int64 { return s.Scrub.Damaged }),

	flag("collect_running", "Whether a collection is under way.", func(s *store.Stats) bool { return s.Collect.Running }),
	moment("collect_started", "Begin of the running or last collection", func(s *store.Stats) time.Time { return s.Collect.Started }),
	moment("collect_finished", "End of the last collection", func(s *store.Stats) time.Time { return s.Collect.Finished }),
	number("collect_items", "Items unlinked so far by this collection.", func(s *store.Stats) int64 { return s.Collect.Items }),
	number("collect_bytes", "Bytes unlinked so far by this collection.", func(s *store.Stats) int64 { return s.Collect.Bytes }),
	number("collect_freed_bytes", "Bytes that this collection gave back to the disk.", func(s *store.Stats) int64 { return s.Collect.FreedBytes }),
}

var phase = prometheus.NewDesc("landfall_collect_phase", "1 for the phase that the running collection is in.", []string{"phase"}, nil)

// collector is a prometheus.Collector over a Source.
type collector struct{ source Source }

// Describe lists all metrics that may come.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, g := range gauges {
		to <- g.desc
	}
	to <- phase
}

// Collect counts. When the source fails, the scrape has all other metrics and
// the log has the error.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stats, err := c.source.Stats(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(gauges[0].desc, err)
		return
	}
	for _, g := range gauges {
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(&stats))
	}
	if stats.Collect.Running && stats.Collect.Phase != "" {
		to <- prometheus.MustNewConstMetric(phase, prometheus.GaugeValue, 1, stats.Collect.Phase)
	}
}
