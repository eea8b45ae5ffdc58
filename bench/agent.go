package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	agentOTP = "one-time-password-of-bench"
	// agentMessages go through the agent before its memory is looked at: it has
	// served its socket, written its disk and sent.
	agentMessages = 100
	// agentSettles is how long the agent gets after that: it gives back what starting
	// took 5 s after its start.
	agentSettles = 10 * time.Second
	// agentConnects bounds the wait for the connection.
	agentConnects = 30 * time.Second
)

// benchAgent states the size of the agent's program, and its memory when it is
// connected.
func benchAgent(ctx context.Context, s settings) ([]figure, error) {
	info, err := os.Stat(s.agent)
	if err != nil {
		return nil, err
	}
	m, err := agentMemory(ctx, s)
	if err != nil {
		return nil, err
	}
	mb := float64(info.Size()) / 1e6
	return []figure{
		{what: "agent program, stripped", got: fmt.Sprintf("%.1f MB", mb), bound: "≤ 8 MB", ok: mb <= 8},
		{what: fmt.Sprintf("agent PSS when connected, %.0f s after %d messages from other programs (on this machine)", agentSettles.Seconds(), agentMessages),
			got: fmt.Sprintf("%.1f MB, %d ms of CPU time", m.pss, m.cpu.Milliseconds()), bound: "≤ 12 MB", ok: m.pss <= 12},
		{what: "the most it had in memory until then", got: fmt.Sprintf("%.1f MB", m.most)},
	}, nil
}

// agentUse is what an agent has used.
type agentUse struct {
	pss, most float64 // MB; most is the highest resident size
	cpu       time.Duration
}

// agentMemory runs a server and an agent, and returns what the agent has used.
func agentMemory(ctx context.Context, s settings) (use agentUse, err error) {
	server, dir, err := startServer(ctx, s)
	if err != nil {
		return use, err
	}
	defer func() { err = errors.Join(err, server.stop(), os.RemoveAll(dir)) }()
	r := newREST(server)
	if err := errors.Join(r.do(ctx, http.MethodPost, "/certificate-authority", "", nil), r.register(ctx, 1, agentOTP)); err != nil {
		return use, err
	}
	d := device{s.agent, filepath.Join(dir, "device")}
	if err := d.enrol(ctx, server, dir); err != nil {
		return use, err
	}
	p := &process{cmd: exec.CommandContext(ctx, s.agent, "run", "--state", d.state, "--config", d.config())}
	if err := p.cmd.Start(); err != nil {
		return use, err
	}
	defer func() {
		_ = p.cmd.Process.Kill() // it is of no more use
		_ = p.cmd.Wait()         // says that it was killed
	}()
	if err := d.connected(ctx); err != nil {
		return use, err
	}
	for range agentMessages {
		if err := d.do(ctx, "pub", "--queue", "--state", d.state, "--config", d.config(), "200,c8y_Bench,N,1"); err != nil {
			return use, err
		}
	}
	time.Sleep(agentSettles)
	kib, err := p.memory("smaps_rollup", "Pss")
	if err != nil {
		return use, err
	}
	most, err := p.memory("status", "VmHWM")
	if err != nil {
		return use, err
	}
	cpu, err := p.cpu()
	return agentUse{kib * 1024 / 1e6, most * 1024 / 1e6, cpu}, err
}

// device is an agent's program and state.
type device struct{ program, state string }

func (d device) config() string { return d.state + ".toml" }

func (d device) do(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, d.program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mooring-agent %s: %w\n%s", args[0], err, out)
	}
	return nil
}

func (d device) enrol(ctx context.Context, server *process, dir string) error {
	port := func(name string) string { return server.addr(name)[strings.LastIndexByte(server.addr(name), ':')+1:] }
	root, _ := server.ready["root"].(string)
	otp := filepath.Join(dir, "otp")
	config := fmt.Sprintf("mtls_port = %s\nmqtts_port = %s\n", port("mtls"), port("mqtts"))
	if err := errors.Join(os.Mkdir(d.state, 0o700), os.WriteFile(d.config(), []byte(config), 0o600), os.WriteFile(otp, []byte(agentOTP), 0o600)); err != nil {
		return err
	}
	return d.do(ctx, "enrol", "--state", d.state, "--config", d.config(), "--server", server.addr("https"), "--id", "dev-0", "--otp-file", otp, "--ca", root)
}

// connected waits for the connection.
func (d device) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, agentConnects)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, d.program, "status", "--json", "--state", d.state, "--config", d.config()).Output()
		var status struct{ Connected bool }
		if err == nil {
			err = json.NewDecoder(bytes.NewReader(out)).Decode(&status)
		}
		switch {
		case status.Connected:
			return nil
		case ctx.Err() != nil:
			return errors.Join(errors.New("the agent does not connect"), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
