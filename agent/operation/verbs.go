package operation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
	"mooring/internal/bounded"
)

// restartNote is what a restart must remember of itself.
type restartNote struct {
	Boot string `json:"boot"` // of the system that was asked to restart
	Asks int    `json:"asks"`
}

// maxRestarts is how often the same system is asked to restart: the agent may
// have been restarted alone, between the note and the request.
const maxRestarts = 2

// noRestart is the boot ID of a note that wants no restart.
const noRestart = "none"

func (m *Manager) restart(ctx context.Context, j *job) ([]string, error) {
	var note restartNote
	j.kept(&note)
	return nil, m.reboot(ctx, &note, func() error { return j.keep(note) })
}

// reboot returns nil when the system is another than the one that note knows.
// keep writes note down.
func (m *Manager) reboot(ctx context.Context, note *restartNote, keep func() error) error {
	boot := m.cfg.BootID()
	switch {
	case note.Boot == noRestart:
		return nil
	case boot == "":
		return errors.New("the system does not tell its boot ID, so a restart could not be told from none")
	case note.Boot != "" && note.Boot != boot:
		return nil
	case note.Asks >= maxRestarts:
		return errors.New("the device did not restart")
	}
	note.Boot, note.Asks = boot, note.Asks+1
	if err := keep(); err != nil {
		return err
	}
	if r, err := m.cfg.Helper.Do(ctx, helper.Request{Verb: helper.Restart}, nil); err != nil || r.Error != "" {
		return errors.Join(err, textError(r.Error))
	}
	sleep(ctx, restartLimit-time.Minute) // the end of the system ends it
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("the device did not restart")
}

// textError makes an error of what the helper says.
func textError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

type commandBody struct {
	Text string `json:"text"`
}

func (m *Manager) command(ctx context.Context, j *job) ([]string, error) {
	var b commandBody
	if err := j.body(&b); err != nil {
		return nil, err
	}
	name := strings.TrimSpace(b.Text)
	if _, ok := config.Find(m.cfg.Operations.Shell.Commands, name); !ok {
		return nil, fmt.Errorf("this device allows the commands %s", strings.Join(config.Names(m.cfg.Operations.Shell.Commands), ", "))
	}
	r, err := m.ask(ctx, j, helper.Request{Verb: helper.Command, Name: name}, nil, false)
	if err == nil && r.Error != "" {
		err = errors.New(strings.TrimSpace(r.Error + "\n" + r.Output))
	}
	return []string{r.Output}, err
}

type logBody struct {
	LogFile      string      `json:"logFile"`
	DateFrom     string      `json:"dateFrom"`
	DateTo       string      `json:"dateTo"`
	SearchText   string      `json:"searchText"`
	MaximumLines json.Number `json:"maximumLines"`
}

func (m *Manager) readLog(ctx context.Context, j *job) ([]string, error) {
	var b logBody
	if err := j.body(&b); err != nil {
		return nil, err
	}
	if _, ok := config.Find(m.cfg.Operations.Log.Files, b.LogFile); !ok {
		return nil, fmt.Errorf("this device has the logs %s", strings.Join(config.Names(m.cfg.Operations.Log.Files), ", "))
	}
	q := helper.Request{Verb: helper.ReadLog, Name: b.LogFile, Search: b.SearchText}
	var errs [3]error
	q.From, errs[0] = rfc3339(b.DateFrom)
	q.To, errs[1] = rfc3339(b.DateTo)
	if b.MaximumLines != "" {
		q.MaxLines, errs[2] = strconv.Atoi(b.MaximumLines.String())
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	text, err := m.fetch(ctx, q)
	if err != nil {
		return nil, err
	}
	url, err := m.upload(ctx, j, attachment{kind: b.LogFile, text: "Log " + b.LogFile, name: b.LogFile + ".log", body: text})
	return []string{url}, err
}

// dateLayouts are those of operations: the web client sends offsets without a
// colon (contract mqtt.md §5.2).
var dateLayouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700"}

func rfc3339(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format(time.RFC3339), nil
		}
	}
	return "", fmt.Errorf("%q is no time", bounded.Text(text, 40))
}

// fetch gets what the helper brings.
func (m *Manager) fetch(ctx context.Context, q helper.Request) ([]byte, error) {
	var data bytes.Buffer
	r, err := m.look(ctx, q, &data)
	if err := errors.Join(err, textError(r.Error)); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

type configBody struct {
	file
	Type string `json:"type"`
}

// configType gives a typeless operation the one type there is.
func (m *Manager) configType(b *configBody) error {
	names := config.Names(m.cfg.Operations.Configuration.Files)
	if b.Type == "" && len(names) == 1 {
		b.Type = names[0]
	}
	if !slices.Contains(names, b.Type) {
		return fmt.Errorf("this device has the configurations %s", strings.Join(names, ", "))
	}
	return nil
}

func (m *Manager) uploadConfig(ctx context.Context, j *job) ([]string, error) {
	var b configBody
	if err := errors.Join(j.body(&b), m.configType(&b)); err != nil {
		return nil, err
	}
	text, err := m.fetch(ctx, helper.Request{Verb: helper.ReadConfig, Name: b.Type})
	if err != nil {
		return nil, err
	}
	url, err := m.upload(ctx, j, attachment{kind: b.Type, text: "Configuration " + b.Type, name: b.Type, body: text})
	return []string{url}, err
}

func (m *Manager) downloadConfig(ctx context.Context, j *job) ([]string, error) {
	var b configBody
	if err := errors.Join(j.body(&b), m.configType(&b)); err != nil {
		return nil, err
	}
	got, err := m.download(ctx, j, "file", b.file, limits{bytes: m.cfg.Operations.Configuration.MaxBytes})
	if err != nil {
		return nil, err
	}
	r, err := m.ask(ctx, j, helper.Request{Verb: helper.WriteConfig, Name: b.Type}, []*downloaded{got}, true)
	return nil, errors.Join(err, textError(r.Error))
}

type renewNote struct {
	Generation uint32 `json:"generation"`
}

// renew gets a new certificate, unless one came since the operation began.
func (m *Manager) renew(ctx context.Context, j *job) ([]string, error) {
	var note renewNote
	if !j.kept(&note) {
		note.Generation = m.cfg.Identity.Generation()
		if err := j.keep(note); err != nil {
			return nil, err
		}
	}
	if m.cfg.Identity.Generation() > note.Generation {
		return nil, nil
	}
	return nil, m.cfg.Identity.Renew(ctx)
}

type intervalBody struct {
	Frequency json.RawMessage `json:"frequency"` // seconds, as a number or a text
}

func (m *Manager) interval(ctx context.Context, j *job) ([]string, error) {
	var b intervalBody
	if err := j.body(&b); err != nil {
		return nil, err
	}
	d, ok := parseSeconds(strings.Trim(string(b.Frequency), `"`))
	if !ok {
		return nil, errors.New("frequency must be a number of seconds; 0 ends the measurements")
	}
	return nil, m.cfg.SetInterval(ctx, d)
}
