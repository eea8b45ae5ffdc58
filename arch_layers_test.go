package mooring_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A layer is a band of packages with the same right to import others.
type layer string

const (
	internalLayer layer = "internal"
	keyLayer      layer = "hsm"
	keyBackend    layer = "key backend"
	agentLayer    layer = "agent"
	firmware      layer = "firmware-sim"
	platformLeaf  layer = "server/platform"
	service       layer = "service"
	store         layer = "store"
	shared        layer = "shared by front ends"
	frontEnd      layer = "front end"
	serverWhole   layer = "server"
	rig           layer = "test rig"
	outside       layer = "outside" // interop and bench, which know the programs by what they serve
	noLayer       layer = ""
)

// serverLayers places each package of the server; what lies below one belongs
// to it. ARCHITECTURE.md has the picture.
var serverLayers = map[string]layer{
	"platform": platformLeaf,

	"sqlstore": store, "bus": store,

	"audit": service, "account": service, "trust": service, "registration": service, "ca": service,
	"deviceauth": service, "devicetoken": service, "inventory": service, "telemetry": service, "binary": service,
	"crlcheck": service, "templates": service, "attest": service,
	"retention": service, "operation": service, "presence": service, "alarmstatus": service, "notify": service, "refusal": service, "vault": service, "mail": service,
	"c8yjson": shared, "httpauth": shared, "openapi": shared, "gate": shared, "fifo": shared, "sockets": shared,

	"estapi": frontEnd, "restapi": frontEnd, "notifyapi": frontEnd, "mqttapi": frontEnd, "mqttservice": frontEnd, "lwm2mapi": frontEnd, "webui": frontEnd,

	"servertest": rig, "cmd": serverWhole, "config": serverWhole,
}

// mayImport lists, for each layer, the layers of ours whose packages its
// production code may import; its own layer is the business of checkSiblings.
var mayImport = map[layer][]layer{
	internalLayer: {internalLayer},
	keyBackend:    {internalLayer, keyLayer, keyBackend},
	keyLayer:      {internalLayer, keyLayer, keyBackend},
	agentLayer:    {internalLayer, keyLayer, agentLayer},
	firmware:      {internalLayer, keyLayer, firmware},
	platformLeaf:  {internalLayer, platformLeaf},
	service:       {internalLayer, keyLayer, platformLeaf, service},
	store:         {internalLayer, platformLeaf, store},
	shared:        {internalLayer, platformLeaf, service, shared},
	frontEnd:      {internalLayer, keyLayer, platformLeaf, service, shared, frontEnd},
	serverWhole:   {internalLayer, keyLayer, platformLeaf, service, store, shared, frontEnd, serverWhole},
	rig:           {internalLayer, keyLayer, keyBackend, platformLeaf, service, store, shared, frontEnd, serverWhole, rig},
	outside:       {internalLayer, outside},
}

// layerOf places the package at p, relative to the module root. group is what
// may share its own kind: the packages of one service, say.
func layerOf(p string) (l layer, group string) {
	first, rest, _ := strings.Cut(p, "/")
	second, _, _ := strings.Cut(rest, "/")
	group = path.Join(first, second)
	switch {
	case strings.HasSuffix(p, "test") && first == "hsm":
		return rig, group
	case first == "hsm" && second != "key" && strings.HasSuffix(second, "key"):
		return keyBackend, group
	case p == "server":
		return serverWhole, group
	case first == "server":
		return serverLayers[second], group
	}
	return map[string]layer{
		"internal": internalLayer, "hsm": keyLayer, "agent": agentLayer, "firmware-sim": firmware,
		"interop": outside, "bench": outside, ".": outside,
	}[first], group
}

func checkPlaces(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		judged++
		if l, _ := layerOf(p.path); l == noLayer {
			bad = append(bad, p.path+" belongs to no layer")
		}
	}
	return judged, bad
}

// checkLayers judges what is linked into programs, and of the tests that they
// do not reach over to another program either.
func checkLayers(t *tree) (judged int, bad []string) {
	t.ownImports(func(from *sourcePackage, file *sourceFile, to string) {
		judged++
		a, _ := layerOf(from.path)
		b, _ := layerOf(to)
		ok := slices.Contains(mayImport[a], b)
		if file.isTest {
			ok = program(from.path) == program(to) || ok || !isProgram(to) || checkedElsewhere(from.path)
		}
		if !ok {
			bad = append(bad, fmt.Sprintf("%s (%s) imports %s (%s)", file.name, a, to, b))
		}
	})
	return judged, bad
}

func program(p string) string {
	first, _, _ := strings.Cut(p, "/")
	return first
}

func isProgram(p string) bool {
	return slices.Contains([]string{"agent", "server", "firmware-sim"}, program(p))
}

// checkedElsewhere names who may use a program from tests, as checkFrontDoors
// says.
func checkedElsewhere(p string) bool {
	return slices.Contains([]string{"agent", "firmware-sim", "interop", "bench", "."}, program(p))
}

// checkFrontDoors judges tests of one program that use another.
func checkFrontDoors(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		if !checkedElsewhere(p.path) {
			continue
		}
		for _, f := range p.files {
			if !f.isTest {
				continue
			}
			judged++
			for _, imp := range f.imports {
				to := strings.TrimPrefix(imp, modulePath+"/")
				switch {
				case to == imp || !isProgram(to) || program(to) == program(p.path):
				case to != "server/servertest":
					bad = append(bad, fmt.Sprintf("%s imports %s, want server/servertest", f.name, to))
				case !f.external:
					bad = append(bad, fmt.Sprintf("%s imports %s from package %s, want %[3]s_test", f.name, to, f.pkgName))
				}
			}
		}
	}
	return judged, bad
}

// aloneLayers are those whose packages do not import each other.
var aloneLayers = []layer{service, store, frontEnd, keyBackend}

func checkSiblings(t *tree) (judged int, bad []string) {
	for _, p := range t.packages {
		l, group := layerOf(p.path)
		if !slices.Contains(aloneLayers, l) {
			continue
		}
		for _, f := range p.production() {
			judged++
			for _, imp := range f.imports {
				to, ok := strings.CutPrefix(imp, modulePath+"/")
				if toLayer, toGroup := layerOf(to); ok && toLayer == l && toGroup != group {
					bad = append(bad, fmt.Sprintf("%s imports the %s %s", f.name, l, to))
				}
			}
		}
	}
	return judged, bad
}
