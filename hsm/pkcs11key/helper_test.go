package pkcs11key_test

import (
	"os/exec"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/pkcs11key/wire"
)

// A helper ends when its program does, also while the module hangs.
func TestHelperEndsWithItsProgram(t *testing.T) {
	f := p11test.StartFaults(t)
	f.AddToken(t, "dev")
	for _, plan := range []string{"", "C_Initialize 1 delay 600000"} {
		f.Spoil(t, plan)
		cmd := exec.Command(f.Helper)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := wire.Write(in, wire.Request{ID: 1, Op: wire.OpHello, Version: wire.Version}); err != nil {
			t.Fatal(err)
		}
		var answer wire.Response
		if err := wire.Read(out, &answer); err != nil || answer.ID != 1 || answer.Version != wire.Version {
			t.Fatalf("hello: %+v, %v", answer, err)
		}
		open := wire.Request{ID: 2, Op: wire.OpOpen, Target: &wire.Target{Module: f.Module, Label: "dev"}, PIN: []byte(p11test.PIN)}
		if err := wire.Write(in, open); err != nil {
			t.Fatal(err)
		}
		if plan == "" {
			if err := wire.Read(out, &answer); err != nil || answer.Fault != nil {
				t.Fatalf("open: %+v, %v", answer.Fault, err)
			}
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%q: the helper ended with %v", plan, err)
			}
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("%q: the helper lives on", plan)
		}
	}
}

// What the helper does not understand is answered, and it goes on.
func TestHelperBadRequests(t *testing.T) {
	f := p11test.Start(t)
	cmd := exec.Command(f.Helper)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for n, r := range []wire.Request{{Op: "nonsense"}, {Op: wire.OpSign, Ref: "x-01"}, {Op: wire.OpOpen}, {Op: wire.OpOpen, Target: &wire.Target{Module: "/nothing"}}, {}} {
		r.ID = uint64(n + 1)
		if err := wire.Write(in, r); err != nil {
			t.Fatal(err)
		}
		var answer wire.Response
		if err := wire.Read(out, &answer); err != nil || answer.ID != r.ID || answer.Fault == nil {
			t.Errorf("%+v: %+v, %v", r, answer, err)
		}
	}
	if _, err := in.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a frame that is too long was taken")
	}
}
