//go:build linux && (amd64 || arm64)

package main

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxOpenFiles is enough for the three pipes and what the Go runtime keeps open for itself.
const maxOpenFiles = 32

// confine takes from the process, for good, what it could do harm with, and names what the kernel
// took: "limits", "no-new-privileges", "landlock" and "syscalls". A kernel that lacks one is not an
// error, since nothing in this program wants what is refused.
func confine(memoryLimitMiB int64) []string {
	// Without cgo all threads are reached; with it the filter of system calls still reaches them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var taken []string
	note := func(name string, ok bool) {
		if ok {
			taken = append(taken, name)
		}
	}
	note("limits", limitResources(memoryLimitMiB))
	note("no-new-privileges", onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1) == 0)
	note("landlock", refuseFiles())
	note("syscalls", refuseSystemCalls())
	return taken
}

// limitResources sets limits that no later code can raise. There is none of processes: the kernel
// counts those of the user, the agent's among them, and the filter refuses new ones anyway.
func limitResources(memoryLimitMiB int64) bool {
	// The agent ends a process that takes too much. This one is for what happens faster than the
	// agent looks: twice the soft limit, and what the runtime reserves without using it.
	data := uint64(2*memoryLimitMiB+256) << 20
	limits := map[int]uint64{
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_FSIZE:  0,
		unix.RLIMIT_NOFILE: maxOpenFiles,
		unix.RLIMIT_DATA:   data,
	}
	all := true
	for resource, most := range limits {
		limit := unix.Rlimit{Cur: most, Max: most}
		var before unix.Rlimit
		if unix.Getrlimit(resource, &before) == nil && before.Max < most {
			continue
		}
		all = unix.Setrlimit(resource, &limit) == nil && all
	}
	return all
}

// refuseFiles denies every path, TCP and signals to other processes, as far as the kernel can.
func refuseFiles() bool {
	version, _, failed := unix.Syscall(
		unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if failed != 0 {
		return false
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}
	size := unsafe.Offsetof(rules.Handled_access_net)
	if version >= 2 {
		rules.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		rules.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 4 {
		rules.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size = unsafe.Offsetof(rules.Scoped)
	}
	if version >= 5 {
		rules.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		rules.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(rules.Scoped) + unsafe.Sizeof(rules.Scoped)
	}
	set, _, failed := unix.Syscall(
		unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), size, 0)
	if failed != 0 {
		return false
	}
	defer func() { _ = unix.Close(int(set)) }()
	return onAllThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0) == 0
}

// onAllThreads makes a system call on every thread, or on this one in a program that links C.
func onAllThreads(number, first, second uintptr) syscall.Errno {
	_, _, failed := syscall.AllThreadsSyscall6(number, first, second, 0, 0, 0, 0)
	if failed == syscall.ENOTSUP {
		_, _, failed = syscall.RawSyscall6(number, first, second, 0, 0, 0, 0)
	}
	return failed
}

// allowed are the system calls of a Go program that only computes, reads and writes its pipes.
var allowed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_FCNTL,
	unix.SYS_FUTEX, unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE,
	unix.SYS_MREMAP, unix.SYS_MINCORE, unix.SYS_BRK,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY,
	unix.SYS_RESTART_SYSCALL, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_GETRANDOM, unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETRUSAGE, unix.SYS_UNAME,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,
	unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	// A new thread.
	unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// The offsets in `struct seccomp_data` of linux/seccomp.h, on a little-endian machine.
const (
	dataNumber = 0
	dataArch   = 4
	dataFirst  = 16
	// x32Bit is set in the numbers of the second set of system calls that amd64 has.
	x32Bit = 0x40000000
)

// refuseSystemCalls installs a filter on all threads: whatever is not in `allowed`, a thread, or a
// signal to the process itself fails with EPERM. So no file is opened, no socket, no program.
func refuseSystemCalls() bool {
	filter := systemCallFilter(uint32(unix.Getpid()))
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, failed := syscall.RawSyscall(
		unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	return failed == 0
}

func systemCallFilter(process uint32) []unix.SockFilter {
	const (
		refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		missing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		isEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	end := func(result uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: result}
	}
	// What a test leads to stands behind it; what fails it goes on after that.
	unless := func(code uint16, value uint32, then ...unix.SockFilter) []unix.SockFilter {
		skip := unix.SockFilter{Code: code, K: value, Jt: uint8(len(then))}
		return append([]unix.SockFilter{skip}, then...)
	}
	when := func(code uint16, value uint32, then ...unix.SockFilter) []unix.SockFilter {
		skip := unix.SockFilter{Code: code, K: value, Jf: uint8(len(then))}
		return append([]unix.SockFilter{skip}, then...)
	}
	filter := []unix.SockFilter{load(dataArch)}
	filter = append(filter, unless(isEqual, auditArch, end(refuse))...)
	filter = append(filter, load(dataNumber))
	filter = append(filter, when(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, x32Bit, end(refuse))...)
	for _, number := range allowed {
		filter = append(filter, when(isEqual, number, end(unix.SECCOMP_RET_ALLOW))...)
	}
	thread := unless(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, unix.CLONE_THREAD, end(refuse))
	thread = append(append([]unix.SockFilter{load(dataFirst)}, thread...), end(unix.SECCOMP_RET_ALLOW))
	filter = append(filter, when(isEqual, unix.SYS_CLONE, thread...)...)
	own := unless(isEqual, process, end(refuse))
	own = append(append([]unix.SockFilter{load(dataFirst)}, own...), end(unix.SECCOMP_RET_ALLOW))
	filter = append(filter, when(isEqual, unix.SYS_TGKILL, own...)...)
	// The flags of clone3 cannot be seen from here; without it programs fall back to clone.
	filter = append(filter, when(isEqual, unix.SYS_CLONE3, end(missing))...)
	return append(filter, end(refuse))
}
