package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// failure is a render that went wrong, for people. It never holds rendered content.
type failure struct {
	// Code is one of the stable codes: kz.*, helm.*, path.*, render.*.
	Code    string `json:"code"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	// exact messages are our own and need no scrubbing.
	exact bool
	// cause is nil for most.
	cause error
}

// Unwrap returns what led to the failure.
func (f *failure) Unwrap() error { return f.cause }

// Error returns the message with its place.
func (f *failure) Error() string {
	if f.File == "" {
		return f.Message
	}
	return f.File + ": " + f.Message
}

// describe turns any error into what the agent is told.
func describe(err error) *failure {
	var known *failure
	if !errors.As(err, &known) {
		known = &failure{Code: "render.failed", Message: err.Error()}
	}
	told := *known
	told.Message = tell(told.Message, told.exact)
	return &told
}

// panicked tells of a bug in a library. The value of a panic may hold anything, so only errors of
// the Go runtime are printed.
func panicked(cause any) *failure {
	told := fmt.Sprintf("%T", cause)
	if fault, ok := cause.(runtime.Error); ok {
		told = fault.Error()
	}
	return &failure{Code: "render.failed", Message: "the rendering library failed: " + told}
}

const longestMessage = 2000

func tell(message string, exact bool) string {
	if !exact {
		message = scrub(message)
	}
	if len(message) > longestMessage {
		message = strings.ToValidUTF8(message[:longestMessage], "") + " ..."
	}
	return message
}

// scrubs finds the places where the libraries quote values or whole documents in their messages.
var scrubs = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile("`[^`]*`"), "(value)"},
	{regexp.MustCompile(`(?s)\[patch: .*?\](: |$)`), "[patch]$1"},
	{regexp.MustCompile(`(?s)(parsing|cannot parse template|tpl function execution for) "(\\.|[^"\\])*"`), "$1 (value)"},
	{regexp.MustCompile(`(range can't iterate over|improper constraint:|invalid syntax:) [^\n]*`), "$1 (value)"},
	{regexp.MustCompile(`(?s)^(cannot overwrite table with non table for|destination for) (\S+)( is a table\. Ignoring non-table value)? \(.*$`), "$1 $2$3"},
}

// scrub removes what may be a value of a manifest or of Helm values, and our name for the root.
func scrub(message string) string {
	for _, scrub := range scrubs {
		message = scrub.pattern.ReplaceAllString(message, scrub.with)
	}
	message = strings.ReplaceAll(message, root+"/", "")
	return strings.TrimSpace(strings.ReplaceAll(message, root, "the root of the repository"))
}

// quoted finds strings in quotes, and before that the places where Helm quotes names and templates.
var quoted = regexp.MustCompile(`at <[^>]*>|(executing |template |function |define |field )?"(\\.|[^"\\])*"`)

// maskQuotes removes strings in quotes from a message of a template function: they are arguments.
func maskQuotes(message string) string {
	return quoted.ReplaceAllStringFunc(message, func(found string) string {
		if strings.HasPrefix(found, `"`) {
			return "(value)"
		}
		return found
	})
}

// warnings collects what the libraries print to the standard logger during one render.
type warnings struct {
	messages []string
	bytes    int
}

func collectWarnings() *warnings {
	collected := &warnings{}
	// In this order: the first would else turn the standard logger to itself.
	slog.SetDefault(slog.New(warningHandler{collected}))
	log.SetOutput(collected)
	return collected
}

// warningHandler takes the structured warnings of the libraries in.
type warningHandler struct{ into *warnings }

// Enabled takes warnings and worse.
func (h warningHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle writes a record as text.
func (h warningHandler) Handle(_ context.Context, record slog.Record) error {
	var attributes []string
	record.Attrs(func(attribute slog.Attr) bool {
		attributes = append(attributes, attribute.Key+" "+attribute.Value.String())
		return true
	})
	text := record.Message
	if len(attributes) > 0 {
		text += " (" + strings.Join(attributes, ", ") + ")"
	}
	_, err := h.into.Write([]byte(text))
	return err
}

// WithAttrs leaves attributes of loggers out.
func (h warningHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup leaves groups of loggers out.
func (h warningHandler) WithGroup(string) slog.Handler { return h }

// Write takes one message of the logger in; those past a bound are dropped.
func (w *warnings) Write(message []byte) (int, error) {
	if w.bytes += len(message); w.bytes < 64<<10 {
		w.messages = append(w.messages, string(message))
	}
	return len(message), nil
}

func (w *warnings) stop() {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	log.SetOutput(io.Discard)
}

// list returns each warning once, sorted: Helm gives them in the order of its maps, which is random.
func (w *warnings) list() []string {
	var list []string
	for _, message := range w.messages {
		message = strings.TrimLeft(strings.TrimSpace(message), "# ")
		message = strings.TrimPrefix(strings.TrimPrefix(message, "Warning: "), "warning: ")
		if message = tell(message, false); message != "" {
			list = append(list, message)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
