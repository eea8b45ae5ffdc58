package inventory

// DeletedAtOnce is for tests of its edges.
const DeletedAtOnce = deletedAtOnce
