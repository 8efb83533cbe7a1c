//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the process is after isolate cannot be taken back, so a child of the test is isolated.
func TestAnIsolatedProcessReachesNoFileNoSocketAndNoProgram(t *testing.T) {
	if os.Getenv("SYNCLINE_ISOLATED_CHILD") != "" {
		tryEverything()
		return
	}
	folder := t.TempDir()
	secret := filepath.Join(folder, "secret")
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Dir = folder
	child.Env = []string{"SYNCLINE_ISOLATED_CHILD=1", "SECRET=hunter2"}
	output, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("the child: %v\n%s", err, output)
	}
	refused := 0
	for _, line := range strings.Split(string(output), "\n") {
		if strings.HasPrefix(line, "reached: ") {
			t.Error(line)
		}
		if strings.HasPrefix(line, "refused: ") {
			refused++
		}
	}
	if refused != len(attempts) || !strings.Contains(string(output), "rendered in 8 threads") {
		t.Errorf("%d of %d were refused:\n%s", refused, len(attempts), output)
	}
	if _, err := os.Stat(filepath.Join(folder, "written")); err == nil {
		t.Error("the child wrote a file")
	}
}

// attempts are nil where they reached what they tried.
var attempts = map[string]func() error{
	"read a file":      func() error { _, err := os.ReadFile("secret"); return err },
	"write a file":     func() error { return os.WriteFile("written", nil, 0o600) },
	"list a directory": func() error { _, err := os.ReadDir("."); return err },
	"look at a file":   func() error { _, err := os.Stat("secret"); return err },
	"remove a file":    func() error { return os.Remove("secret") },
	"open its memory":  func() error { _, err := os.Open("/proc/self/mem"); return err },
	"run a program":    func() error { return exec.Command("/bin/true").Run() },
	"become a program": func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) },
	"listen":           func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err },
	"connect":          func() error { _, err := net.Dial("udp", "127.0.0.1:53"); return err },
	"resolve a name":   func() error { _, err := net.LookupHost("example.com"); return err },
	"open a local socket": func() error {
		_, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return err
	},
	"signal its parent": func() error { return syscall.Kill(os.Getppid(), 0) },
	"trace its parent":  func() error { return syscall.PtraceAttach(os.Getppid()) },
	"raise a limit": func() error {
		limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		return unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)
	},
	"see its environment": func() error {
		if len(os.Environ()) > 0 {
			return nil
		}
		return os.ErrNotExist
	},
	"open an io_uring": func() error {
		_, _, failed := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
		if failed == unix.EPERM {
			return failed
		}
		return nil
	},
}

func tryEverything() {
	taken := isolate(256)
	fmt.Println("taken:", taken)
	for name, attempt := range attempts {
		if err := attempt(); err != nil {
			fmt.Println("refused:", name)
		} else {
			fmt.Println("reached:", name)
		}
	}
	// Threads, memory, timers and the collector still work.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			runtime.LockOSThread()
			kept := make([][]byte, 0, 64)
			for range 64 {
				kept = append(kept, make([]byte, 64<<10))
			}
			time.Sleep(time.Millisecond)
			runtime.KeepAlive(kept)
		})
	}
	all.Wait()
	runtime.GC()
	if zone, err := time.LoadLocation("Europe/Vienna"); err == nil && zone.String() != "" {
		fmt.Println("\nrendered in 8 threads")
	}
}
