package variable

import (
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // an appliance may be without zone files

	"github.com/landfall-dev/landfall/registry"
)

// Formats are the names of formats, ascending.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// format is what a text has to be.
type format struct {
	what    string // in a sentence: "an IPv4 address, like 192.0.2.1"
	is      func(string) bool
	example string // from the ranges that are set aside for examples; "": none can be made
}

var formats = map[string]format{
	"base64":   {"base64", isBase64, "ZXhhbXBsZQ=="},
	"cidr":     {"a range of addresses, like 192.0.2.0/24", isCIDR, "192.0.2.0/24"},
	"duration": {"a time, like 90s or 1h30m", isDuration, "1h"},
	"email":    {"an address of e-mail, like ops@example.com", isEmail, "ops@example.com"},
	"fqdn":     {"a full host name, like app.example.com", isFQDN, "app.example.com"},
	"hostname": {"a host name, like app or app.example.com", isHostname, "app"},
	// An invented image would be looked for.
	"image":    {"the name of an image, like registry.example.com/team/app:1.2.3", isImage, ""},
	"ip":       {"an IP address, like 192.0.2.1 or 2001:db8::1", isIP, "192.0.2.1"},
	"ipv4":     {"an IPv4 address, like 192.0.2.1", isIPv4, "192.0.2.1"},
	"ipv6":     {"an IPv6 address, like 2001:db8::1", isIPv6, "2001:db8::1"},
	"mac":      {"a MAC address, like 02:00:00:00:00:01", isMAC, "02:00:00:00:00:01"},
	"pem":      {"PEM, from -----BEGIN to -----END", isPEM, "-----BEGIN EXAMPLE-----\nZXhhbXBsZQ==\n-----END EXAMPLE-----\n"},
	"port":     {"a port from 1 to 65535", isPort, "8080"},
	"quantity": {"a quantity of Kubernetes, like 500m or 10Gi", quantityPattern.MatchString, "1Gi"},
	"semver":   {"a semantic version without \"v\", like 1.2.3", IsVersion, "1.0.0"},
	"timezone": {"a time zone, like Europe/Berlin", isTimezone, "Etc/UTC"},
	"url":      {"an address with scheme and host, like https://example.com", isURL, "https://example.com"},
}

var (
	// https://semver.org/spec/v2.0.0.html, items 2, 9 and 10.
	versionPattern = regexp.MustCompile(`\A(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-` + identifiers(`(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)`) + `)?(?:\+` + identifiers(`[0-9A-Za-z-]+`) + `)?\z`)
	// k8s.io/apimachinery/pkg/api/resource, "Quantity".
	quantityPattern = regexp.MustCompile(`\A[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?\z`)
	// RFC 1123, section 2.1.
	labelPattern = regexp.MustCompile(`\A[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\z`)
)

func identifiers(one string) string { return one + `(?:\.` + one + `)*` }

// IsVersion reports whether a text is a version of Semantic Versioning 2.0.0.
func IsVersion(s string) bool { return len(s) <= 256 && versionPattern.MatchString(s) }

func isBase64(s string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && s != "" && !strings.ContainsAny(s, "\r\n")
}

func isCIDR(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func isDuration(s string) bool {
	_, err := time.ParseDuration(s)
	return err == nil
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}

func isHostname(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !labelPattern.MatchString(label) {
			return false
		}
	}
	return !isIPv4(s)
}

func isFQDN(s string) bool {
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Contains(s, ".") && isHostname(s) && strings.Trim(last, "0123456789") != ""
}

func isImage(s string) bool {
	_, err := registry.ParseRef(s)
	return err == nil
}

func isIP(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

func isIPv6(s string) bool { return isIP(s) && !isIPv4(s) }

func isMAC(s string) bool {
	a, err := net.ParseMAC(s)
	return err == nil && len(a) == 6
}

// isPEM: nothing but whole blocks.
func isPEM(s string) bool {
	rest := []byte(strings.TrimSpace(s))
	for blocks := 0; ; blocks++ {
		if len(rest) == 0 {
			return blocks > 0
		}
		var b *pem.Block
		start := rest
		if b, rest = pem.Decode(rest); b == nil || !strings.HasPrefix(string(start), "-----BEGIN ") {
			return false
		}
		rest = []byte(strings.TrimSpace(string(rest)))
	}
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s == strconv.FormatUint(n, 10)
}

func isTimezone(s string) bool {
	if s == "" || s == "Local" {
		return false
	}
	_, err := time.LoadLocation(s)
	return err == nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Hostname() != "" && !strings.ContainsAny(s, " \t\r\n")
}
