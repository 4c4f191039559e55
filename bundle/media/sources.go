package media

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// source is what may be a drive: a block device, what is mounted below a folder,
// or a folder.
type source struct {
	block          // empty, but for the first of these
	folder string  // empty, but for the last
	mounts []mount // where others have mounted it, the best first
}

// key tells a source from all that was there before. gen counts media, where the
// kernel does not.
func (s source) key(gen map[string]int) string {
	switch {
	case s.folder != "":
		return "folder " + s.folder
	case s.name == "":
		return fmt.Sprintf("mount %d %s %s", s.mounts[0].id, s.mounts[0].number, s.mounts[0].at)
	}
	key := strings.Join([]string{"block", s.name, s.number, s.seq, s.start, fmt.Sprint(s.size)}, " ")
	if s.seq == "" {
		key += fmt.Sprint(" ", gen[s.disk])
	}
	return key
}

// title names a source in findings.
func (s source) title() string {
	switch {
	case s.folder != "":
		return s.folder
	case s.name == "":
		return s.mounts[0].at
	}
	return s.name
}

// sources lists what may be a drive now. The findings say what cannot be seen.
func (m machine) sources(o Options) (list []source, findings []string) {
	mounts, err := m.mounts()
	if err != nil {
		findings = append(findings, fmt.Sprintf("mounts cannot be seen: %v", err))
	}
	taken := map[int]bool{} // mounts, by their ids
	if !o.NoDevices {
		blocks, err := m.blocks()
		if errors.Is(err, fs.ErrNotExist) {
			findings = append(findings, "the kernel shows no block devices here: only folders are looked at")
		} else if err != nil {
			findings = append(findings, fmt.Sprintf("block devices cannot be seen: %v", err))
		}
		list = m.drives(blocks, mounts, o)
		for _, s := range list {
			for _, n := range s.mounts {
				taken[n.id] = true
			}
		}
	}
	for _, folder := range o.Folders {
		folder = filepath.Clean(folder)
		if !slices.ContainsFunc(mounts, func(n mount) bool { return n.at == folder && taken[n.id] }) {
			list = append(list, source{folder: folder})
		}
		for _, n := range topmost(mounts) {
			if n.below(folder) && n.at != folder && !taken[n.id] {
				taken[n.id] = true
				list = append(list, source{mounts: []mount{n}})
			}
		}
	}
	return list, findings
}

// drives are those of the block devices that count.
func (m machine) drives(blocks []block, mounts []mount, o Options) (list []source) {
	own := m.ownDisks(mounts, o.Own)
	for _, b := range blocks {
		if own[b.disk] {
			continue
		}
		s := source{block: b}
		wanted := b.plugged || named(b, o.Devices)
		for _, n := range topmost(mounts) {
			if !n.of(b) {
				continue
			}
			s.mounts = append(s.mounts, n)
			wanted = wanted || slices.ContainsFunc(o.Folders, n.below)
		}
		if !wanted {
			continue
		}
		slices.SortStableFunc(s.mounts, func(a, b mount) int { return len(a.root) - len(b.root) })
		list = append(list, s)
	}
	return list
}

// named reports whether a device, or its disk, is on the operator's list.
func named(b block, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = strings.ReplaceAll(strings.TrimPrefix(pattern, "/dev/"), "/", "!")
		part, _ := path.Match(pattern, b.name)
		whole, _ := path.Match(pattern, b.disk)
		return part || whole
	})
}

// topmost leaves out mounts that others are mounted over.
func topmost(mounts []mount) (list []mount) {
	last := map[string]int{}
	for i, n := range mounts {
		last[n.at] = i
	}
	for i, n := range mounts {
		if last[n.at] == i {
			list = append(list, n)
		}
	}
	return list
}
