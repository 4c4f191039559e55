package main

import "time"

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// layers is a number of layers of one size.
type layers struct {
	count int
	size  int64
}

// sizes is how much content each part moves and for how long.
type sizes struct {
	disk int64 // free space needed

	large, medium, little layers // import: every layer is in one image
	applications          int    // import: images that the medium and little layers are spread over

	images int    // create
	bases  layers // create: each is shared by images/bases.count images
	own    []layers

	big      int64         // get: the one large blob
	bigGets  int           // get: transfers of it in one run
	tiny     layers        // get: the small blobs
	load     time.Duration // get: how long one run asks for small blobs or manifests
	readers  int           // get: how many slow readers
	patience time.Duration // get: how long they read

	push int64 // distribution: the blob that is pushed

	crowd, few int           // large: images of the large store and of the small one
	paced      time.Duration // large, busy: how long one run of steady readers takes

	receipt  int    // thin: images of the site that writes a receipt
	attached layers // attach: each is an image
}

var full = sizes{
	disk:  64 * gib,
	large: layers{2, 1029 * mib}, medium: layers{200, 8 * mib}, little: layers{2000, 224 * kib}, applications: 20,
	images: 24, bases: layers{4, 48 * mib}, own: []layers{{1, 24 * mib}, {1, 12 * mib}, {1, 4 * mib}, {2, 128 * kib}},
	big: gib, bigGets: 8, tiny: layers{2000, 64 * kib}, load: 5 * time.Second,
	readers: 200, patience: 10 * time.Second,
	push:  512 * mib,
	crowd: 100_000, few: 1000, paced: 10 * time.Second,
	receipt: 10_000, attached: layers{20, gib},
}

var small = sizes{
	disk:  4 * gib,
	large: layers{2, 64 * mib}, medium: layers{10, 8 * mib}, little: layers{100, 224 * kib}, applications: 5,
	images: 8, bases: layers{2, 12 * mib}, own: []layers{{1, 6 * mib}, {1, 3 * mib}, {1, mib}, {2, 32 * kib}},
	big: 256 * mib, bigGets: 8, tiny: layers{400, 64 * kib}, load: 2 * time.Second,
	readers: 200, patience: 4 * time.Second,
	push:  64 * mib,
	crowd: 2000, few: 100, paced: 3 * time.Second,
	receipt: 200, attached: layers{8, 64 * mib},
}
