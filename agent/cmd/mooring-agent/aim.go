package main

import (
	"flag"
	"net"
	"strconv"
	"strings"

	"mooring/agent/config"
)

// aim are the flags that say which server a device is for, as whom, and with
// which key store.
type aim struct {
	server, id, key, ca string
	algorithm           string
	mtls, mqtts         int
}

func (a *aim) add(f *flag.FlagSet) {
	f.StringVar(&a.server, "server", "", "`HOST[:PORT]` of the tenant's HTTPS")
	f.StringVar(&a.id, "id", "", "external `ID` of the device, as registered")
	f.StringVar(&a.key, "key", "", "`URI` of the key store (default file: in the state directory)")
	f.StringVar(&a.algorithm, "algorithm", "", "`kind` of key to make, now and at each renewal: ecdsa-p256 (default), ecdsa-p384, rsa-2048, rsa-3072, rsa-4096")
	f.StringVar(&a.ca, "ca", "", "PEM `file` with the trust anchors of the server's certificate (default the system's)")
	f.IntVar(&a.mtls, "mtls-port", -1, "`port` of HTTPS with client certificate; 0 if there is none (default 8443)")
	f.IntVar(&a.mqtts, "mqtts-port", 0, "`port` of MQTT over TLS (default 8883)")
}

// apply puts the flags over the configuration.
func (a *aim) apply(c *config.Config) error {
	if a.server != "" {
		host, port, err := splitServer(a.server)
		if err != nil {
			return err
		}
		c.Server = host
		if port != 0 {
			c.HTTPSPort = port
		}
	}
	c.DeviceID, c.Key, c.CA = or(a.id, c.DeviceID), or(a.key, c.Key), or(a.ca, c.CA)
	c.KeyAlgorithm = or(a.algorithm, c.KeyAlgorithm)
	if a.mtls >= 0 {
		c.MTLSPort = a.mtls
	}
	if a.mqtts != 0 {
		c.MQTTSPort = a.mqtts
	}
	return nil
}

// splitServer reads HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address.
func splitServer(s string) (host string, port int, err error) {
	if strings.Contains(s, "/") {
		return "", 0, usagef("--server is HOST[:PORT], without https:// and path")
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return strings.Trim(s, "[]"), 0, nil
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, usagef("--server: %q is no port", text)
	}
	return host, port, nil
}
