package webui_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"mooring/server/webui"
)

// Text and its ground differ by 4.5, the borders of fields by 3, in both colour
// schemes (WCAG 2.2, 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	css := ask(t, "GET", webui.Prefix+"style.css", "").Body.String()
	light, dark, found := strings.Cut(css, "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark scheme")
	}
	for name, scheme := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6})`).FindAllStringSubmatch(scheme, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []struct {
			ink, ground string
			least       float64
		}{
			{"ink", "card", 4.5}, {"ink", "ground", 4.5}, {"soft", "card", 4.5}, {"soft", "ground", 4.5}, {"good", "ground", 4.5}, {"bad", "ground", 4.5},
			{"bad", "card", 4.5}, {"on-act", "act", 4.5}, {"act", "ground", 4.5}, {"line", "card", 3},
		} {
			a, b := colours[pair.ink], colours[pair.ground]
			if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < pair.least {
				t.Errorf("%s: %s on %s: %.2f, want %.1f", name, pair.ink, pair.ground, got, pair.least)
			}
		}
	}
}

// luminance is the relative luminance of a colour (WCAG 2.2, definitions).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		if v := float64(n) / 255; v <= 0.04045 {
			sum += weight * v / 12.92
		} else {
			sum += weight * math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return sum
}
