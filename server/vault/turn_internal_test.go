package vault

import (
	"context"
	"testing"
	"testing/synctest"

	"mooring/internal/problem"
)

// One key is made at a time; who waits lets the time go on, and may give up.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New(nil, nil, nil)
		done, err := v.turn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan func())
		go func() {
			done, err := v.turn(t.Context())
			if err != nil {
				t.Error(err)
			}
			second <- done
		}()
		synctest.Wait() // would not return if the second held a mutex's queue
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.turn(ctx); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("given up: got %v", err)
		}
		select {
		case <-second:
			t.Error("two at a time")
		default:
		}
		done()
		(<-second)()
	})
}
