package crlcheck

import "time"

// Refresh is one look of Run.
func (c *Checker) Refresh(now time.Time) { c.refresh(now) }

// Settle waits for the fetches that run.
func (c *Checker) Settle() { c.all.Wait() }
