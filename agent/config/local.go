package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"mooring/agent/localapi"
)

// Local is what other programs on the device may do through the agent.
type Local struct {
	// Socket is the path of the UNIX socket of the local API; empty: there is none.
	Socket string `toml:"socket"`
	// Proxy adds the device token to what passes to the server: the path of a UNIX
	// socket, for whom allow says so, or a port of the loopback, as
	// 127.0.0.1:8001, for every user of the device; empty: there is none.
	Proxy string `toml:"proxy"`
	// MQTT is for MQTT clients that publish and subscribe: a path or a port, as
	// Proxy's; empty: there is none.
	MQTT string `toml:"mqtt"`
	// Allow says who may do what: "WHO VERB…", where WHO is user:NAME, group:NAME
	// or *, and the verbs are status, chain, token, publish, messages, proxy and
	// sign. Root and the agent's own user may do all but sign.
	Allow []string `toml:"allow"`
	// Publish and Subscribe are the MQTT topic filters that programs may use.
	Publish   []string `toml:"publish"`
	Subscribe []string `toml:"subscribe"`
	// Rate is how many calls a second one user may make, twice as many at once;
	// 1 to 10000.
	Rate int `toml:"rate"`
}

// defaultLocal opens nothing, and then what devices send and hear
// (contract mqtt.md §2).
func defaultLocal() Local {
	return Local{
		Publish: []string{"s/us/#", "s/uc/#", "t/us/#", "t/uc/#", "q/us/#", "q/uc/#", "measurement/measurements/#", "event/events/#", "alarm/alarms/#",
			"inventory/managedObjects/update/+", "devicecontrol/operations/#"},
		Subscribe: []string{"s/ds", "s/e", "s/dc/#", "devicecontrol/notifications"},
		Rate:      50,
	}
}

// maxRules bounds each list of the local API.
const maxRules = 64

// maxRate bounds calls a second.
const maxRate = 10_000

// Policy is what Local says of who may do what.
func (l *Local) Policy() (localapi.Policy, error) {
	return localapi.NewPolicy(l.Allow, l.Publish, l.Subscribe, l.Rate)
}

func (c *Config) validateLocal() error {
	l := &c.Local
	var errs []error
	if l.Socket != "" && !filepath.IsAbs(l.Socket) {
		errs = append(errs, errors.New("local.socket: must be an absolute path"))
	}
	for name, door := range map[string]string{"proxy": l.Proxy, "mqtt": l.MQTT} {
		if door != "" && !filepath.IsAbs(door) && !isLoopback(door) {
			errs = append(errs, fmt.Errorf("local.%s: must be an absolute path, or a port of the loopback, as 127.0.0.1:8001 is", name))
		}
	}
	if l.Rate < 1 || l.Rate > maxRate {
		errs = append(errs, fmt.Errorf("local.rate: must be 1 to %d", maxRate))
	}
	if max(len(l.Allow), len(l.Publish), len(l.Subscribe)) > maxRules {
		errs = append(errs, fmt.Errorf("local: must be at most %d rules, and as many topic filters", maxRules))
	} else if _, err := l.Policy(); err != nil {
		errs = append(errs, fmt.Errorf("local: %w", err))
	}
	return errors.Join(errs...)
}

// isLoopback reports whether address is IP:PORT that no other device reaches. The
// system chooses in place of port 0; the log tells which.
func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	_, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && ip != nil && ip.IsLoopback()
}
