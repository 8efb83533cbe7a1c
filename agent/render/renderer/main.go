// Command syncline-renderer turns charts and kustomizations into objects.
//
// It is the child of one agent: requests arrive on standard input, answers leave on standard
// output, and files are asked for over the same pipe. It opens no file, socket or program.
// See protocol.go for the messages.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	// Templates may name time zones; there is no disk to read them from.
	_ "time/tzdata"
)

func main() {
	memoryLimit := flag.Int64("memory-limit-mib", 256, "soft limit of the heap in MiB")
	flag.Parse()
	taken := isolate(*memoryLimit)
	debug.SetMemoryLimit(*memoryLimit << 20)
	if err := serve(newPipe(os.Stdin, os.Stdout), taken); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// isolate takes away what the libraries could reach out with: environment, network, logs, and what
// the kernel can take, which it names.
func isolate(memoryLimitMiB int64) []string {
	os.Clearenv()
	// Templates format dates; the zone of the computer is none of theirs.
	time.Local = time.UTC
	refuseNetwork()
	log.SetFlags(0)
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	return confine(memoryLimitMiB)
}

// serve greets the agent and answers one request after the other until the agent hangs up.
func serve(pipe *pipe, isolation []string) error {
	if err := pipe.send(message{Hello: greeting(isolation)}); err != nil {
		return err
	}
	for {
		var next request
		err := pipe.receive(&next)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := pipe.send(answer(pipe, next)); err != nil {
			return err
		}
	}
}

// answer renders one request. Its objects are sent on the way; what it returns is the last message.
func answer(pipe *pipe, next request) (last message) {
	repository := newRepository(pipe)
	output := &output{pipe: pipe}
	defer func() {
		if cause := recover(); cause != nil {
			last = message{Failed: panicked(cause)}
		}
	}()
	warnings := collectWarnings()
	defer warnings.stop()
	err := render(repository, output, next)
	if pipe.broken != nil {
		// Nobody is left to tell.
		err = pipe.broken
	}
	if err != nil {
		return message{Failed: describe(err)}
	}
	return message{Done: &done{Objects: output.count, Warnings: warnings.list(), Notes: output.notes}}
}

func render(repository *repository, output *output, next request) error {
	switch {
	case next.Kustomize != nil:
		return renderKustomize(repository, output, *next.Kustomize)
	case next.Helm != nil:
		return renderHelm(repository, output, *next.Helm)
	case next.Transform != nil:
		return transform(repository, output, *next.Transform)
	default:
		return &failure{Code: "protocol", Message: "the request names nothing to render"}
	}
}
