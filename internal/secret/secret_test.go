package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"mooring/internal/secret"
)

const text = "correct horse battery staple"

// TestNothingPrintsIt prints a secret in every way a careless line could.
func TestNothingPrintsIt(t *testing.T) {
	s := secret.New(text)
	inside := struct {
		Name   string
		Public secret.String
		hidden secret.String
	}{"x", s, s}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "s", s, "in", inside, "p", &s)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "s", s, "in", inside, "p", &s)
	encoded, err := json.Marshal(map[string]any{"s": s, "in": inside})
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{logged.String(), string(encoded), errors.New(fmt.Sprint(s)).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T"} {
		for _, v := range []any{s, &s, inside, &inside, []secret.String{s}, map[string]secret.String{"k": s}} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
	}
	for _, p := range printed {
		if strings.Contains(p, "horse") || strings.Contains(p, fmt.Sprintf("%x", text)) || strings.Contains(p, fmt.Sprintf("%X", text)) {
			t.Errorf("printed: %s", p)
		}
	}
}

func TestString(t *testing.T) {
	var zero secret.String
	if !zero.IsZero() || zero.Reveal() != "" || !zero.Equal(secret.New("")) || !secret.New("").IsZero() {
		t.Error("the zero value is not the empty secret")
	}
	if s := secret.New(text); s.IsZero() || s.Reveal() != text || !s.Equal(secret.New(text)) || s.Equal(secret.New(text+"x")) || s.Equal(zero) {
		t.Error("New, Reveal and Equal do not agree")
	}
	var read struct{ Password secret.String }
	if err := json.Unmarshal([]byte(`{"Password":"`+text+`"}`), &read); err != nil || read.Password.Reveal() != text {
		t.Errorf("read %q, %v", read.Password.Reveal(), err)
	}
}
