package mooring_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// libraries says where each foreign module is imported; why we have it stands
// in ARCHITECTURE.md. Tests and the yardsticks in bench may use any of them. The Go project's own
// golang.org/x modules count as the standard library.
var libraries = map[string][]string{
	"github.com/chromedp/cdproto":         {testsOnly},
	"github.com/chromedp/chromedp":        {testsOnly},
	"github.com/eclipse-keypont/crypto11": {"hsm/cmd/mooring-pkcs11"},
	"github.com/eclipse/paho.mqtt.golang": {"agent/uplink", "agent/localmqtt"},
	"github.com/google/go-tpm":            {"hsm/tpmkey", "hsm/tpmkey/swtpmtest"},
	"github.com/golang-jwt/jwt/v5":        {"server/devicetoken"},
	"github.com/gorilla/websocket":        {"server/mqttapi", "server/notifyapi"},
	"github.com/jackc/pgx/v5":             {"server/sqlstore"},
	"github.com/miekg/pkcs11":             {"hsm/cmd/mooring-pkcs11"},
	"github.com/mochi-mqtt/server/v2":     {"server/mqttapi", "server/mqttservice"},
	"github.com/pelletier/go-toml/v2":     {"agent/config", "server/config", "server"},
	"github.com/prometheus/client_golang": {"server"},
	"github.com/rogpeppe/go-internal":     {testsOnly},
	"modernc.org/sqlite":                  {"server/sqlstore"},
	"software.sslmate.com/src/go-pkcs12":  {"hsm/filekey"},
	"rsc.io/qr":                           {"agent/cmd/mooring-agent"},
	"database/sql":                        {"server/sqlstore"}, // of the standard library, for the same reason
}

const testsOnly = "tests only"

func checkLibraries(t *tree) (judged int, bad []string) {
	used := map[string]bool{}
	for _, p := range t.packages {
		for _, f := range p.files {
			for _, imp := range f.imports {
				module, known := libraryOf(imp)
				if !known && isForeign(imp) {
					bad = append(bad, fmt.Sprintf("%s imports %s, which has no row in libraries", f.name, imp))
				}
				if !known {
					continue
				}
				judged++
				used[module] = true
				free := f.isTest || strings.HasSuffix(path.Base(p.path), "test") || p.path == "bench"
				if !free && !slices.Contains(libraries[module], p.path) {
					bad = append(bad, fmt.Sprintf("%s imports %s, want it in %s only", f.name, imp, strings.Join(libraries[module], ", ")))
				}
			}
		}
	}
	for module := range libraries {
		if isForeign(module) && !strings.Contains(t.goMod, module+" v") {
			bad = append(bad, module+" has a row in libraries and none in go.mod")
		}
		if t.guide != "" && used[module] && isForeign(module) && !strings.Contains(t.guide, module) {
			bad = append(bad, "ARCHITECTURE.md does not say why we have "+module)
		}
	}
	slices.Sort(bad)
	return judged, bad
}

// libraryOf finds the row of libraries that imp belongs to.
func libraryOf(imp string) (module string, known bool) {
	for module := range libraries {
		if under(imp, module) {
			return module, true
		}
	}
	return "", false
}

func isForeign(imp string) bool {
	host, _, _ := strings.Cut(imp, "/")
	return strings.Contains(host, ".") && !under(imp, "golang.org/x")
}
