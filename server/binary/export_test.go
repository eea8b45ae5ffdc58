package binary

// MaxUploads is for tests of its edges.
const MaxUploads = maxUploads
