package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mooring/interop/guest"
)

// benchARM states the agent's memory and CPU time on ARMv7: Debian's kernel on
// an emulated Cortex-A15, the program as make builds it. It goes by the count of
// instructions, so that what else this machine does changes nothing.
func benchARM(ctx context.Context, s settings) (figures []figure, err error) {
	if missing := guest.Missing(); missing != "" {
		return nil, fmt.Errorf("skipped: %s", missing)
	}
	server, dir, err := startServer(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.stop(), os.RemoveAll(dir)) }()
	r := newREST(server)
	const agent = "/bin/mooring-agent"
	root, _ := server.ready["root"].(string)
	g, bootErr := guest.Boot(ctx, guest.Config{Dir: guest.KernelDir(), Counted: true, Programs: map[string]string{agent: s.agentARM, "/root.pem": root}})
	if bootErr != nil {
		return nil, bootErr
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	port := func(name string) string { return server.addr(name)[strings.LastIndexByte(server.addr(name), ':')+1:] }
	enrolled, err1 := guest.Answer{}, errors.Join(r.do(ctx, "POST", "/certificate-authority", "", nil), r.register(ctx, 1, agentOTP), g.Write(ctx, "/otp", []byte(agentOTP)))
	if err1 == nil {
		enrolled, err1 = g.Run(ctx, agent, "enrol", "--server", "localhost:"+port("https"), "--mtls-port", port("mtls"), "--mqtts-port", port("mqtts"),
			"--ca", "/root.pem", "--id", "dev-0", "--otp-file", "/otp", "--timeout", "2m")
	}
	if err1 != nil {
		return nil, err1
	}
	run, err := g.Do(ctx, guest.Order{Start: []string{agent, "run"}})
	if err != nil {
		return nil, err
	}
	connected, err := g.Do(ctx, guest.Order{Await: &guest.Await{PID: run.PID, Text: "connected to"}})
	if err != nil {
		return nil, err
	}
	for range agentMessages {
		if _, err := g.Run(ctx, agent, "pub", "--queue", "200,c8y_Bench,N,1"); err != nil {
			return nil, err
		}
	}
	time.Sleep(agentSettles) // the collector's turn
	memory, err := pssParts(ctx, g, run.PID)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(s.agentARM)
	if err != nil {
		return nil, err
	}
	pss := memory["Pss"]
	return []figure{
		{what: "agent program for ARMv7, stripped", got: fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)},
		{what: fmt.Sprintf("agent PSS when connected, armv7, after %d messages from other programs", agentMessages),
			got:   fmt.Sprintf("%.1f MB (its program %.1f, its own memory %.1f)", pss, pss-memory["Pss_Anon"], memory["Pss_Anon"]),
			bound: "≤ 12 MB", ok: pss <= 12},
		{what: "agent start → connected, emulated armv7, 2 ns an instruction", got: spent(connected)},
		{what: "agent enrol with its key made in a file, emulated armv7", got: spent(enrolled)},
	}, nil
}

func spent(a guest.Answer) string {
	return fmt.Sprintf("%d ms of CPU time (wall %d ms)", a.CPU.Milliseconds(), a.Wall.Milliseconds())
}

// pssParts reads the fields of smaps_rollup of a process in the guest, in MB.
func pssParts(ctx context.Context, g *guest.Guest, pid int) (map[string]float64, error) {
	a, err := g.Do(ctx, guest.Order{Read: filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup")})
	if err != nil {
		return nil, err
	}
	parts := map[string]float64{}
	for line := range strings.Lines(string(a.Out)) {
		name, rest, found := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if !found || len(words) != 2 {
			continue
		}
		kib, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			return nil, err
		}
		parts[name] = kib * 1024 / 1e6
	}
	if parts["Pss"] == 0 {
		return nil, errors.New("no Pss in smaps_rollup")
	}
	return parts, nil
}
