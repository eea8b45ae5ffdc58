package platform

import "context"

type meteredKey struct{}

// Metered returns a context whose reads count against the share that one tenant
// has of the store: those that people and programs ask for, as many and as slow
// as they like. Reads that devices wait for, and the server's own, do not.
func Metered(ctx context.Context) context.Context { return context.WithValue(ctx, meteredKey{}, true) }

// IsMetered reports whether ctx comes from Metered.
func IsMetered(ctx context.Context) bool { return ctx.Value(meteredKey{}) != nil }
