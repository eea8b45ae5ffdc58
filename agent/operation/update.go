package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mooring/agent/helper"
	"mooring/internal/smartrest"
)

type firmwareBody struct {
	file
	Name    string `json:"name"`
	Version string `json:"version"`
}

// firmwareNote is how far an installation is.
type firmwareNote struct {
	restartNote
	Installed bool `json:"installed"`
}

// firmware installs firmware, sees the device through a restart if it needs one,
// and tells the plugin to keep it once the server was reached with it.
func (m *Manager) firmware(ctx context.Context, j *job) ([]string, error) {
	var b firmwareBody
	var note firmwareNote
	if err := j.body(&b); err != nil {
		return nil, err
	}
	j.kept(&note)
	if !note.Installed {
		got, err := m.download(ctx, j, "firmware", b.file, limits{bytes: m.cfg.Operations.Download.MaxBytes, signed: true})
		if err != nil {
			return nil, err
		}
		q := helper.Request{Verb: helper.InstallFirmware, Name: b.Name, Version: b.Version, Signature: got.signature}
		r, err := m.ask(ctx, j, q, []*downloaded{got}, true)
		if err := errors.Join(err, textError(r.Error)); err != nil {
			return nil, err
		}
		note.Installed = true
		if !r.NeedsRestart {
			note.Boot = noRestart
		}
		if err := j.keep(note); err != nil {
			return nil, err
		}
	}
	if err := m.reboot(ctx, &note.restartNote, func() error { return j.keep(note) }); err != nil {
		return nil, err
	}
	return nil, m.settle(ctx, b)
}

// settle checks that the firmware runs, tells the server, and keeps it.
func (m *Manager) settle(ctx context.Context, b firmwareBody) error {
	q := helper.Request{Verb: helper.CheckFirmware, Name: b.Name, Version: b.Version}
	if r, err := m.look(ctx, q, nil); err != nil || r.Error != "" {
		return fmt.Errorf("after the installation other firmware runs: %w", errors.Join(err, textError(r.Error)))
	}
	line := smartrest.AppendLine(nil, "115", b.Name, b.Version, b.URL)
	if err := m.publish(ctx, line); err != nil {
		return err
	}
	q.Verb = helper.CommitFirmware
	r, err := m.look(ctx, q, nil)
	return errors.Join(err, textError(r.Error))
}

// softwareItem is one change of a software update.
type softwareItem struct {
	file
	Name    string `json:"name"`
	Version string `json:"version"`
	Type    string `json:"softwareType"`
	Action  string `json:"action"`
}

// maxItems bounds the changes of one update.
const maxItems = helper.MaxItems

func (m *Manager) software(ctx context.Context, j *job) ([]string, error) {
	var list []softwareItem
	if err := j.body(&list); err != nil {
		return nil, err
	}
	if len(list) == 0 || len(list) > maxItems {
		return nil, fmt.Errorf("a software update has 1 to %d changes", maxItems)
	}
	q := helper.Request{Verb: helper.UpdateSoftware}
	var files []*downloaded
	for i, s := range list {
		item, err := s.item()
		if err != nil {
			return nil, err
		}
		if s.URL = strings.TrimSpace(s.URL); s.URL != "" && !item.Remove {
			got, err := m.download(ctx, j, strconv.Itoa(i), s.file, limits{bytes: m.cfg.Operations.Download.MaxBytes, signed: true})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			item.File, item.Signature = true, got.signature
			files = append(files, got)
		}
		q.Items = append(q.Items, item)
	}
	r, err := m.ask(ctx, j, q, files, true)
	if ctx.Err() == nil {
		m.tellSoftware(ctx)
	}
	return nil, errors.Join(err, textError(r.Error))
}

// item is the change as the helper takes it. thin-edge.io writes the type behind
// the version, as "1.0::apt"; that is understood.
func (s softwareItem) item() (helper.Item, error) {
	version, kind, found := strings.Cut(s.Version, "::")
	if s.Type != "" || !found {
		version, kind = s.Version, s.Type
	}
	if strings.EqualFold(version, "latest") {
		version = ""
	}
	i := helper.Item{Type: kind, Name: s.Name, Version: strings.TrimSpace(version)}
	switch s.Action {
	case "install":
	case "delete":
		i.Remove = true
	default:
		return i, fmt.Errorf("%s: %q is no action, as install and delete are", s.Name, s.Action)
	}
	return i, nil
}

// announceSoftware tells once what is installed.
func (m *Manager) announceSoftware(ctx context.Context) {
	if len(m.cfg.Operations.Software.Types) > 0 {
		m.tellSoftware(ctx)
	}
}

// tellSoftware sends the list of software, the first part with 140, which
// replaces what was there, the others with 141 (contract mqtt.md §4.2). A list
// that cannot be had is not sent: the one that the server has stays.
func (m *Manager) tellSoftware(ctx context.Context) {
	text, err := m.fetch(ctx, helper.Request{Verb: helper.ListSoftware})
	var list []helper.Package
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		m.log.Warn("the software is not known", "err", err)
		return
	}
	for _, line := range softwareLines(list) {
		if m.publish(ctx, line) != nil {
			return
		}
	}
}

// maxPackages keeps a line below the 1,000 fields that a server reads.
const maxPackages = smartrest.MaxFields / 4

func softwareLines(list []helper.Package) [][]byte {
	if len(list) == 0 {
		return [][]byte{[]byte("140,,,,")}
	}
	lines, line := [][]byte(nil), []byte("140")
	for i, p := range list {
		version := p.Version
		if version == "" {
			version = " " // a version is mandatory
		}
		item := smartrest.AppendLine(nil, p.Name, version, p.Type, "")
		if len(line)+1+len(item) > maxLine || i > 0 && i%maxPackages == 0 {
			lines, line = append(lines, line), []byte("141")
		}
		line = append(append(line, ','), item...)
	}
	return append(lines, line)
}
