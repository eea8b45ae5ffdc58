package ca

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
)

// try admits without giving back, as a wrong guess does.
func try(d *doorkeeper, device, address string) error {
	_, err := d.admit("t1", device, address, time.Now())
	return err
}

func TestGuessesAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoorkeeper(Limits{Guess: Rate{Burst: 3, Every: 2 * time.Second}}.withDefaults())
		for i, want := range []error{nil, nil, nil, problem.TooMany} {
			if err := try(d, "dev1", "192.0.2.1"); !errors.Is(err, want) {
				t.Fatalf("guess %d: error = %v, want %v", i+1, err, want)
			}
		}
		if wait := problem.RetryAfter(try(d, "dev1", "192.0.2.1")); wait != 2*time.Second {
			t.Errorf("retry after %v, want 2s", wait)
		}
		if err := try(d, "dev1", "192.0.2.2"); err != nil {
			t.Errorf("the device is locked out for another address: %v", err)
		}
		if err := try(d, "dev2", "192.0.2.1"); err != nil {
			t.Errorf("the address is locked out for another device: %v", err)
		}
		time.Sleep(2*time.Second - time.Nanosecond)
		if err := try(d, "dev1", "192.0.2.1"); !errors.Is(err, problem.TooMany) {
			t.Errorf("a moment early: error = %v, want TooMany", err)
		}
		time.Sleep(time.Nanosecond)
		if err := try(d, "dev1", "192.0.2.1"); err != nil {
			t.Errorf("in time: %v", err)
		}
	})
}

func TestPollingIsNeverSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoorkeeper(Limits{}.withDefaults())
		for range 12 { // one minute behind one address
			for device := range 2500 {
				if err := try(d, fmt.Sprint(device), "192.0.2.1"); err != nil {
					t.Fatalf("device %d: %v", device, err)
				}
			}
			time.Sleep(5 * time.Second)
		}
	})
}

func TestSuccessIsNotCounted(t *testing.T) {
	d := newDoorkeeper(Limits{Guess: Rate{Burst: 1, Every: time.Hour}, Block: Rate{Burst: 1, Every: time.Hour}}.withDefaults())
	now := time.Now()
	for i := range 10 {
		giveBack, err := d.admit("t1", "dev1", "192.0.2.1", now)
		if err != nil {
			t.Fatalf("try %d: %v", i+1, err)
		}
		giveBack()
	}
}

func TestBlockIsSlowed(t *testing.T) {
	limits := Limits{Block: Rate{Burst: 2, Every: time.Second}}.withDefaults()
	tests := []struct {
		name    string
		from    []string
		wantErr error // of the last
	}{
		{name: "three of a /24", from: []string{"192.0.2.1", "192.0.2.2", "192.0.2.255"}, wantErr: problem.TooMany},
		{name: "two /24", from: []string{"192.0.2.1", "192.0.2.2", "192.0.3.1"}},
		{name: "three of a /48", from: []string{"2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:ffff::1"}, wantErr: problem.TooMany},
		{name: "two /48", from: []string{"2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:2::1"}},
		{name: "IPv4 in IPv6", from: []string{"::ffff:192.0.2.1", "192.0.2.2", "192.0.2.3"}, wantErr: problem.TooMany},
		{name: "no addresses", from: []string{"", "pipe", "@"}, wantErr: problem.TooMany},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoorkeeper(limits)
			now := time.Now()
			var err error
			for i, address := range tt.from {
				_, err = d.admit("t1", fmt.Sprint("dev", i), address, now)
			}
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("error = %v, want %v", err, tt.wantErr)
			}
		})
	}
}

func TestSameIPv6Network(t *testing.T) {
	d := newDoorkeeper(Limits{Guess: Rate{Burst: 1, Every: time.Second}}.withDefaults())
	now := time.Now()
	if _, err := d.admit("t1", "dev1", "2001:db8::1", now); err != nil {
		t.Fatal(err)
	}
	if _, err := d.admit("t1", "dev1", "2001:db8::2%eth0", now); !errors.Is(err, problem.TooMany) {
		t.Errorf("another address of the same /64: error = %v, want TooMany", err)
	}
	if _, err := d.admit("t1", "dev1", "2001:db8:0:1::1", now); err != nil {
		t.Errorf("another /64: %v", err)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	const limit = 100
	b := newBuckets(Rate{Burst: 1, Every: time.Hour}, limit)
	now := time.Now()
	for i := range 10 * limit {
		b.take(bucketKey{device: fmt.Sprint(i)}, now)
		if n := b.size(); n > limit {
			t.Fatalf("%d buckets after %d devices, want at most %d", n, i+1, limit)
		}
	}
	if _, ok := b.take(bucketKey{device: fmt.Sprint(10*limit - 1)}, now); ok {
		t.Error("the bucket used last is forgotten")
	}
}
