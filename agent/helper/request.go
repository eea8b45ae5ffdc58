package helper

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Verb is one of the things that the helper does.
type Verb string

// The verbs. There is none that runs what the agent says: each names something
// that the configuration file allows.
const (
	Restart         Verb = "restart"
	ReadConfig      Verb = "read-config"      // Name is the type; brings data
	WriteConfig     Verb = "write-config"     // Name is the type; takes a file
	ReadLog         Verb = "read-log"         // Name, From, To, Search, MaxLines; brings data
	ListSoftware    Verb = "list-software"    // brings data: JSON of []Package
	UpdateSoftware  Verb = "update-software"  // Items; takes a file for each that has one
	InstallFirmware Verb = "install-firmware" // Name, Version; takes a file
	CheckFirmware   Verb = "check-firmware"   // Name, Version: does it run now?
	CommitFirmware  Verb = "commit-firmware"  // Name, Version: keep it
	Command         Verb = "command"          // Name is the one in the configuration
)

// Request asks for one thing.
type Request struct {
	Verb Verb `json:"verb"`
	// Key makes what changes the device happen once: who asks again with the
	// same key gets the result of the first time. 32 hexadecimal digits; it is
	// needed for verbs that are keyed.
	Key     string `json:"key,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`

	// From and To are RFC 3339, empty for no bound.
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Search   string `json:"search,omitempty"`
	MaxLines int    `json:"max_lines,omitempty"`

	// Signature is that of the file that follows, as minisign writes it.
	Signature string `json:"signature,omitempty"`
	Items     []Item `json:"items,omitempty"`
}

// Item is one change of software.
type Item struct {
	Type      string `json:"type"` // the plugin
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	Remove    bool   `json:"remove,omitempty"`
	File      bool   `json:"file,omitempty"` // a file follows
	Signature string `json:"signature,omitempty"`
}

// Package is a piece of software that is installed.
type Package struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Result is what came of a request.
type Result struct {
	// Error says in a sentence what went wrong; empty: done.
	Error string `json:"error,omitempty"`
	// Output is what a command printed, cut to MaxOutput.
	Output string `json:"output,omitempty"`
	// NeedsRestart says that firmware is installed and waits for a restart.
	NeedsRestart bool `json:"needs_restart,omitempty"`
	// Interrupted says that the helper was stopped while it did this: nobody
	// knows how far it came.
	Interrupted bool `json:"interrupted,omitempty"`
}

// The bounds of requests.
const (
	// MaxOutput bounds the output of a command in bytes, so that it fits one
	// MQTT message with its line (contract mqtt.md §1.9).
	MaxOutput = 12 << 10
	// MaxItems bounds the changes of one software update. One message cannot
	// bring that many.
	MaxItems = 256
	// MaxName bounds names and versions in bytes.
	MaxName = 256

	maxSearch = 1024
	keyLength = 32
	maxLines  = 1_000_000
)

var keyed = map[Verb]bool{WriteConfig: true, UpdateSoftware: true, InstallFirmware: true, Command: true}

// files is how many files follow a request.
func (r *Request) files() int {
	switch r.Verb {
	case WriteConfig, InstallFirmware:
		return 1
	case UpdateSoftware:
		n := 0
		for _, i := range r.Items {
			if i.File {
				n++
			}
		}
		return n
	}
	return 0
}

// validate says what is wrong with a request before anything is done with it.
func (r *Request) validate() error {
	if keyed[r.Verb] && !isKey(r.Key) {
		return errors.New("the key must be 32 hexadecimal digits")
	}
	if len(r.Items) > MaxItems {
		return fmt.Errorf("more than %d changes of software", MaxItems)
	}
	if len(r.Search) > maxSearch || r.MaxLines < 0 || r.MaxLines > maxLines {
		return errors.New("search or max_lines is out of bounds")
	}
	for _, i := range r.Items {
		if err := errors.Join(argument("type", i.Type), argument("name", i.Name), argument("version", i.Version)); err != nil {
			return err
		}
		if i.Name == "" {
			return errors.New("a change of software without a name")
		}
	}
	if r.Verb == InstallFirmware && r.Name == "" {
		return errors.New("firmware without a name")
	}
	return errors.Join(argument("name", r.Name), argument("version", r.Version))
}

const keyDigits = "0123456789abcdef"

func isKey(s string) bool { return len(s) == keyLength && strings.Trim(s, keyDigits) == "" }

// argument accepts what may stand on the command line of a plugin: one word or
// more that can be no option and no second line.
func argument(what, s string) error {
	switch {
	case len(s) > MaxName:
		return fmt.Errorf("%s: longer than %d bytes", what, MaxName)
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("%s: begins with -", what)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fmt.Errorf("%s: has control characters or is no UTF-8", what)
	}
	return nil
}
