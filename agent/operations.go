package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"mooring/agent/helper"
	"mooring/agent/operation"
	"mooring/agent/uplink"
	"mooring/internal/durable"
	"mooring/internal/secret"
)

const operationsDir = "operations"

// newOperations makes what carries out operations. It lists what the device can
// do even if this agent carries out none.
func (a *Agent) newOperations() *operation.Manager {
	anchors := a.endpoint.TrustAnchors
	c := operation.Config{
		Operations:   a.cfg.Operations,
		Others:       a.cfg.SupportedOperations,
		DeviceID:     a.cfg.DeviceID,
		Server:       a.cfg.Server,
		Port:         a.cfg.HTTPSPort,
		FS:           a.o.FS,
		Dir:          filepath.Join(a.cfg.State, operationsDir),
		Uplink:       operationUplink{a},
		Identity:     operationIdentity{a},
		SetInterval:  a.SetMeasurementInterval,
		Helper:       &helper.Client{Socket: a.cfg.Operations.Helper},
		BootID:       a.o.BootID,
		TrustAnchors: anchors,
		DialContext:  a.dialer.DialContext,
		Now:          a.clock.Now,
		Log:          a.log,
	}
	if c.BootID == nil {
		c.BootID = bootID
	}
	if a.o.FS == durable.OS {
		c.Free = func() (uint64, error) { return freeBytes(a.cfg.State) }
	}
	return operation.New(c)
}

// carryOut carries out operations until ctx ends.
func (a *Agent) carryOut(ctx context.Context) {
	messages := a.up.Listen(ctx, uplink.TopicJSONOperations, uplink.TopicOperations)
	if err := a.operations.Run(ctx, messages); err != nil {
		a.fail("operations", err)
	}
}

// bootID is different after each start of the system (random(4)).
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// operationUplink is the uplink as operations see it.
type operationUplink struct{ a *Agent }

func (o operationUplink) Publish(topic string, payload []byte) (uint64, error) {
	return o.a.up.Publish(topic, payload, 1)
}

func (o operationUplink) Delivered(ctx context.Context, number uint64) error {
	return o.a.up.Delivered(ctx, number)
}

func (o operationUplink) Token(ctx context.Context) (secret.String, error) {
	return deviceTokens{o.a.up}.Token(ctx)
}

func (o operationUplink) Forget(ctx context.Context, token secret.String) { o.a.up.Forget(ctx, token) }

// operationIdentity is the identity as operations see it.
type operationIdentity struct{ a *Agent }

func (o operationIdentity) Generation() uint32 {
	v, _ := o.a.look()
	return v.state.Current.Number
}

func (o operationIdentity) Renew(ctx context.Context) error {
	_, err := o.a.Renew(ctx)
	return err
}
