package mirror

import "testing"

// What a destination has in another repository is taken over from there, though the
// run that brought it is over.
func TestMountLater(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"store", "socket", "landfall", "distribution"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			prefix, base := fresh(), noise(1_500_000)
			u := newUpstream(t, "ggcr", content{newImage(prefix+"/one", "v1", "amd64", base)})
			d := newDestination(t, to)
			d.mustSync(t, u.file(t))
			next := newImage(prefix+"/two", "v1", "amd64", base, noise(100))
			u.fill(t, content{next})
			u.content = append(u.content, next)
			u.ResetCounts()
			d.mustSync(t, u.file(t))
			level(t, d.read(t), u.content, u.landed)
			if got := u.Counts().BlobBytes; got > 100_000 {
				t.Errorf("%d bytes of blobs were fetched again", got)
			}
		})
	}
}
