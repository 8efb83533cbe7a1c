package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// TestEcho compares nothing by itself: the tests of the crate that speaks to the renderer run it
// with lines of their own. Each is read into the type of this side, strictly, and written again.
func TestEcho(t *testing.T) {
	if os.Getenv("SYNCLINE_ECHO") == "" {
		return
	}
	lines := bufio.NewReaderSize(os.Stdin, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(echo(line))
	}
}

// echo takes `{"request":...}`, `{"reply":...}` or `{"message":...}`.
func echo(line []byte) string {
	var one struct {
		Request *request `json:"request,omitempty"`
		Reply   *reply   `json:"reply,omitempty"`
		Message *message `json:"message,omitempty"`
	}
	strict := json.NewDecoder(bytes.NewReader(line))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&one); err != nil {
		return "error " + err.Error()
	}
	again, err := json.Marshal(one)
	if err != nil {
		return "error " + err.Error()
	}
	return "echo " + string(again)
}

func TestAFieldOfANewerAgentIsPassedOver(t *testing.T) {
	line := `{"helm":{"path":"a","newer":{"x":1}},"alsoNewer":true}` + "\n"
	var next request
	if err := newPipe(strings.NewReader(line), io.Discard).receive(&next); err != nil {
		t.Fatal(err)
	}
	if next.Helm == nil || next.Helm.Path != "a" {
		t.Errorf("%+v", next)
	}
}

func TestAnUnreadableRequestEndsWithoutItsContent(t *testing.T) {
	for _, line := range []string{`hunter2`, `{"helm":"hunter2"}`, `{"helm":{"path":["hunter2"]}}`, `{"helm`, "{\"helm\n", "{}"} {
		var out bytes.Buffer
		err := serve(newPipe(strings.NewReader(line), &out), nil)
		if err == nil || strings.Contains(err.Error()+out.String(), "hunter2") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestARequestForNothingFails(t *testing.T) {
	var out bytes.Buffer
	if err := serve(newPipe(strings.NewReader("{}\n{\"newer\":{}}\n"), &out), nil); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), `{"failed":{"code":"protocol"`) != 2 {
		t.Error(out.String())
	}
}
