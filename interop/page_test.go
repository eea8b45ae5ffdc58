package interop_test

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserLimit is what all a test does in a browser may take, on a machine that
// runs all tests at once.
const browserLimit = 3 * time.Minute

// browser starts a real one, with the size of a phone. complaints are what pages
// did wrong: exceptions, and what the content security policy has stopped.
func browser(t *testing.T) (ctx context.Context, complaints func() []string) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("chromium is needed: apt-get install chromium")
		}
		t.Skip("without chromium (Debian package chromium)") // on a laptop; make test installs and requires it
	}
	// Chromium has no sandbox for root; the server's root is not in its trust store.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WSURLReadTimeout(browserLimit), chromedp.WindowSize(412, 740),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	ctx, shut := chromedp.NewContext(ctx)
	t.Cleanup(shut)
	var mu sync.Mutex
	var all []string // guarded by mu
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			all = append(all, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Source == log.SourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") {
				all = append(all, e.Entry.Text)
			}
		}
	})
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// act carries out actions, which must succeed.
func act(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var body string
		_ = chromedp.Run(ctx, chromedp.Text("body", &body)) // what can be said of the failure
		t.Fatalf("%v\npage: %s", err, body)
	}
}

func logIn(s *instance) chromedp.Tasks {
	return chromedp.Tasks{chromedp.WaitVisible("#user"), chromedp.SendKeys("#user", "admin"), chromedp.SendKeys("#password", s.pass), chromedp.Click("#login")}
}

// A device makes its password and prints a link; a person follows it, logs in,
// makes the certificate authority that is missing, registers; the device enrols.
func TestRegistrationLink(t *testing.T) {
	s := launch{}.start(t, t.TempDir())
	ctx, complaints := browser(t)
	d := &device{server: s, id: "with-link", state: t.TempDir()}
	args := d.enrol()
	for i, arg := range args {
		if arg == "--otp-file" {
			args = append(args[:i], "--new-otp", "--timeout", "150s")
			break
		}
	}
	agent := d.command(ctx, t, args...)
	agent.Stderr = &logBuffer{}
	said, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	link := ""
	for lines := bufio.NewScanner(said); link == "" && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "https://") {
			link = lines.Text()
		}
	}
	_, fragment, _ := strings.Cut(link, "?")
	parameters, err := url.ParseQuery(fragment)
	if err != nil || parameters.Get("externalId") != d.id {
		t.Fatalf("link %q: %v\n%s", link, err, agent.Stderr)
	}

	var id, password, address string
	act(t, ctx, chromedp.Navigate(link), logIn(s), chromedp.WaitVisible("#external-id"),
		chromedp.Value("#external-id", &id), chromedp.Value("#one-time-password", &password),
		chromedp.WaitVisible("#make-authority"), chromedp.Click("#make-authority"), chromedp.WaitNotPresent("#authority"))
	if id != d.id || password != parameters.Get("one-time-password") {
		t.Errorf("shown: %q, %q", id, password)
	}
	screenshot(t, ctx)
	act(t, ctx, chromedp.Click("#register"), chromedp.WaitVisible(`//h2[text()="Registered"]`), chromedp.Location(&address))
	if strings.Contains(address, password) {
		t.Errorf("the password stays in the address: %s", address)
	}
	if err := agent.Wait(); err != nil {
		t.Fatalf("the device does not enrol: %v\n%s", err, agent.Stderr)
	}
	if _, err := d.pair(); err != nil {
		t.Error(err)
	}
	if strings.Contains(s.log.String(), password) {
		t.Error("the server's log has the password")
	}

	// A second time: the page says what the server says.
	var text string
	act(t, ctx, chromedp.Evaluate(`location.hash = "#/deviceregistration?externalId=with+space&one-time-password=x"`, nil),
		chromedp.WaitVisible("#external-id"), chromedp.Click("#register"), chromedp.WaitVisible("#said.bad"), chromedp.Text("#said", &text))
	if !strings.Contains(text, "not permitted") {
		t.Errorf("an ID with a space: the page says %q", text)
	}
	if got := complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

// What a link holds is text: nothing of it runs, on no way into the page.
func TestRegistrationLinkIsText(t *testing.T) {
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	ctx, complaints := browser(t)
	const evil = `"><img src=x onerror="window.hit=1"><script>window.hit=1</script>`
	link := "https://" + s.HTTPS + "/apps/devicemanagement/index.html#/deviceregistration?externalId=" + url.QueryEscape(evil) + "&one-time-password=x"
	var id, shown string
	var hit bool
	act(t, ctx, chromedp.Navigate(link), logIn(s), chromedp.WaitVisible("#external-id"), chromedp.Value("#external-id", &id),
		chromedp.Click("#register"), chromedp.WaitVisible("#said.bad"), chromedp.Text("#said", &shown),
		chromedp.Evaluate(`"hit" in window || document.images.length > 0`, &hit))
	if id != evil || hit || shown == "" {
		t.Errorf("ID %q, ran: %t, said %q", id, hit, shown)
	}
	if got := complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	var out bool
	act(t, ctx, chromedp.Click("#logout"), chromedp.WaitVisible("#password"), chromedp.Evaluate(`!document.cookie.includes("XSRF-TOKEN=") || document.cookie.includes("XSRF-TOKEN=;")`, &out))
	if !out {
		t.Error("the cookie outlives the login")
	}
}

// screenshot writes what docs show, when MOORING_SCREENSHOT names a file.
func screenshot(t *testing.T, ctx context.Context) {
	t.Helper()
	file := os.Getenv("MOORING_SCREENSHOT")
	if file == "" {
		return
	}
	var png []byte
	act(t, ctx, chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The page says why nothing was registered, and what helps.
func TestRegistrationLinkRefused(t *testing.T) {
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	s.register(t, "waiting", "another-password")
	const reader = "reader-password-1"
	a := s.admin(t, "POST", "/user/t1000/users", "application/json", []byte(`{"userName":"reader","password":"`+reader+`"}`))
	if a.status != 201 {
		t.Fatalf("user: %s", a)
	}
	ctx, complaints := browser(t)
	link := func(id string) chromedp.Action {
		return chromedp.Navigate("https://" + s.HTTPS + "/apps/devicemanagement/index.html#/deviceregistration?externalId=" + id + "&one-time-password=x")
	}
	refused := func(want string) {
		t.Helper()
		var said string
		act(t, ctx, chromedp.WaitVisible("#external-id"), chromedp.Click("#register"), chromedp.WaitVisible("#said.bad"), chromedp.Text("#said", &said))
		if !strings.Contains(said, want) {
			t.Errorf("the page says %q, want %q", said, want)
		}
	}
	var said string
	act(t, ctx, link("waiting"), chromedp.WaitVisible("#user"), chromedp.SendKeys("#user", "admin"), chromedp.SendKeys("#password", "wrong\r"),
		chromedp.WaitVisible("#said.bad"), chromedp.Text("#said", &said))
	if !strings.Contains(said, "Bad credentials") {
		t.Errorf("a wrong password: the page says %q", said)
	}
	act(t, ctx, chromedp.Evaluate(`document.querySelector("#password").value = ""`, nil), chromedp.SendKeys("#password", s.pass+"\r")) // by the keyboard
	refused("already exists. The device can use the password registered before")

	act(t, ctx, chromedp.Click("#logout"), chromedp.WaitVisible("#user"), chromedp.SendKeys("#user", "t1000/reader"), chromedp.SendKeys("#password", reader+"\r"))
	refused("needs the permission to administrate device control")
	if got := complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}
