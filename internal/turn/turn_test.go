package turn_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/turn"
)

func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := turn.New()
		if err := one.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := one.Take(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("%v after %v, want the end of the context after a second", err, time.Since(begun))
		}
		time.AfterFunc(time.Minute, one.Give)
		if err := one.Take(t.Context()); err != nil || time.Since(begun) != time.Minute+time.Second {
			t.Errorf("%v after %v, want the turn when it is given back", err, time.Since(begun))
		}
	})
}
