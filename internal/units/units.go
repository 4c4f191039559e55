// Package units reads and writes quantities as people do: bytes, ages, spans of
// time.
package units

import "fmt"

// Bytes writes a number of bytes, with one decimal from 1 KiB on.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, prefixes := float64(n)/1024, "KMGTP"
	for f >= 1024 && len(prefixes) > 1 {
		f, prefixes = f/1024, prefixes[1:]
	}
	return fmt.Sprintf("%.1f %ciB", f, prefixes[0])
}
