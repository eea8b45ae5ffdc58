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
	pid, first, err := startARM(ctx, g, agent)
	if err != nil {
		return nil, err
	}
	if _, err := g.Do(ctx, guest.Order{Stop: pid}); err != nil {
		return nil, err
	}
	pid, again, err := startARM(ctx, g, agent)
	if err != nil {
		return nil, err
	}
	for range agentMessages {
		if _, err := g.Run(ctx, agent, "pub", "--queue", "200,c8y_Bench,N,1"); err != nil {
			return nil, err
		}
	}
	time.Sleep(agentSettles)
	memory, err := memoryARM(ctx, g, pid)
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
		{what: fmt.Sprintf("agent PSS when connected, armv7, %.0f s after %d messages from other programs", agentSettles.Seconds(), agentMessages),
			got:   fmt.Sprintf("%.1f MB (its program %.1f, its own memory %.1f)", pss, pss-memory["Pss_Anon"], memory["Pss_Anon"]),
			bound: "≤ 12 MB", ok: pss <= 12},
		{what: "the most it had in memory until then, armv7", got: fmt.Sprintf("%.1f MB", memory["VmHWM"])},
		{what: "agent start → connected, the first after enrolling, emulated armv7, 2 ns an instruction", got: spent(first)},
		{what: "agent start → connected, any later one, emulated armv7", got: spent(again)},
		{what: "agent enrol with its key made in a file, emulated armv7", got: spent(enrolled)},
	}, nil
}

// startARM starts the agent and waits until it is connected.
func startARM(ctx context.Context, g *guest.Guest, agent string) (pid int, connected guest.Answer, err error) {
	run, err := g.Do(ctx, guest.Order{Start: []string{agent, "run"}})
	if err != nil {
		return 0, run, err
	}
	connected, err = g.Do(ctx, guest.Order{Await: &guest.Await{PID: run.PID, Text: "connected to"}})
	return run.PID, connected, err
}

func spent(a guest.Answer) string {
	return fmt.Sprintf("%d ms of CPU time (wall %d ms)", a.CPU.Milliseconds(), a.Wall.Milliseconds())
}

// memoryARM reads how much memory a process in the guest has, in MB: Pss, its
// own part and the most it ever had.
func memoryARM(ctx context.Context, g *guest.Guest, pid int) (map[string]float64, error) {
	found := map[string]float64{}
	for field, file := range map[string]string{"Pss": "smaps_rollup", "Pss_Anon": "smaps_rollup", "VmHWM": "status"} {
		a, err := g.Do(ctx, guest.Order{Read: filepath.Join("/proc", strconv.Itoa(pid), file)})
		if err != nil {
			return nil, err
		}
		n, err := kib(string(a.Out), field)
		if err != nil {
			return nil, err
		}
		found[field] = n * 1024 / 1e6
	}
	return found, nil
}
