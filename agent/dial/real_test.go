package dial_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mooring/agent/dial"
	"mooring/internal/daemontest"
)

func TestTinyproxy(t *testing.T) {
	addr := closed(t)
	file := filepath.Join(t.TempDir(), "tinyproxy.conf")
	text := fmt.Sprintf("Port %s\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth u secret\nConnectPort %s\n", port(t, addr), port(t, echo(t, "127.0.0.1:0")))
	target := echo(t, "127.0.0.1:0")
	text += fmt.Sprintf("ConnectPort %s\n", port(t, target))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	daemontest.Start(t, addr, "tinyproxy", "-d", "-c", file)
	realProxy(t, "http://"+addr, target)
	_, err := through(t, "http://"+addr, "u:secret").DialContext(t.Context(), "tcp", echo(t, "127.0.0.1:0"))
	if p, ok := errors.AsType[*dial.ProxyError](err); !ok || p.Fault != dial.Refused {
		t.Errorf("a port that it does not allow: %v", err)
	}
}

func TestMicrosocks(t *testing.T) {
	addr := closed(t)
	daemontest.Start(t, addr, "microsocks", "-i", "127.0.0.1", "-p", port(t, addr), "-u", "u", "-P", "secret")
	realProxy(t, "socks5://"+addr, echo(t, "127.0.0.1:0"))
	realProxy(t, "socks5://"+addr, echo(t, "[::1]:0"))
	_, err := through(t, "socks5://"+addr, "u:secret").DialContext(t.Context(), "tcp", closed(t))
	if p, ok := errors.AsType[*dial.ProxyError](err); !ok || p.Fault != dial.NoWay {
		t.Errorf("a server that is away: %v", err)
	}
}

func realProxy(t *testing.T, url, target string) {
	t.Helper()
	c, err := through(t, url, "u:secret").DialContext(t.Context(), "tcp", target)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, c)
	for _, credentials := range []string{"", "u:wrong"} {
		_, err := through(t, url, credentials).DialContext(t.Context(), "tcp", target)
		if p, ok := errors.AsType[*dial.ProxyError](err); !ok || p.Fault != dial.Authentication {
			t.Errorf("credentials %q: %v", credentials, err)
		}
	}
}
