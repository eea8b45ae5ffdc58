package server

import (
	"net"

	"mooring/server/config"
)

// Ready is the line a server prints when every listener accepts: the addresses
// it really listens on.
type Ready struct {
	Ready bool   `json:"ready"`
	HTTPS string `json:"https,omitempty"`
	MTLS  string `json:"mtls,omitempty"`
	MQTTS string `json:"mqtts,omitempty"`
	MQTT  string `json:"mqtt,omitempty"`

	Service      string `json:"service,omitempty"`
	ServicePlain string `json:"service-plain,omitempty"`

	HTTP  string `json:"http,omitempty"`
	Admin string `json:"admin,omitempty"`
	Root  string `json:"root,omitempty"` // file with the development root, with --dev
}

// listeners are the open doors; those that are off are nil.
type listeners struct {
	https, mtls, mqtts, mqtt, service, servicePlain, http, admin net.Listener
}

func openListeners(cfg config.Listeners, listen func(name, addr string) (net.Listener, error)) (*listeners, error) {
	l := &listeners{}
	for _, door := range []struct {
		name, addr string
		to         *net.Listener
	}{
		{"https", cfg.HTTPS, &l.https}, {"mtls", cfg.MTLS, &l.mtls}, {"mqtts", cfg.MQTTS, &l.mqtts}, {"mqtt", cfg.MQTT, &l.mqtt},
		{"service", cfg.Service, &l.service}, {"service-plain", cfg.ServicePlain, &l.servicePlain},
		{"http", cfg.HTTP, &l.http}, {"admin", cfg.Admin, &l.admin},
	} {
		if door.addr == "" {
			continue
		}
		opened, err := listen(door.name, door.addr)
		if err != nil && door.name == "service" && door.addr == config.DevService {
			// Nobody asked for this port: a second server on a laptop takes another.
			opened, err = listen(door.name, "127.0.0.1:0")
		}
		if err != nil {
			l.close()
			return nil, err
		}
		*door.to = opened
	}
	return l, nil
}

func (l *listeners) close() {
	for _, door := range []net.Listener{l.https, l.mtls, l.mqtts, l.mqtt, l.service, l.servicePlain, l.http, l.admin} {
		if door != nil {
			_ = door.Close() // it may be closed by its server already
		}
	}
}

func (l *listeners) ready(root string) Ready {
	addr := func(door net.Listener) string {
		if door == nil {
			return ""
		}
		return door.Addr().String()
	}
	return Ready{Ready: true, HTTPS: addr(l.https), MTLS: addr(l.mtls), MQTTS: addr(l.mqtts), MQTT: addr(l.mqtt),
		Service: addr(l.service), ServicePlain: addr(l.servicePlain),
		HTTP: addr(l.http), Admin: addr(l.admin), Root: root}
}
