package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	helmarchive "helm.sh/helm/v4/pkg/chart/loader/archive"
)

// packed makes an archive of headers with their content.
func packed(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	return zipped(t, tarred(t, members...))
}

func tarred(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	for _, member := range members {
		text := strings.Repeat("a", int(member.Size))
		if err := writer.WriteHeader(&member); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

// zipper is used again and again, as each takes more than a megabyte.
var zipper = gzip.NewWriter(nil)

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := zipper
	writer.Reset(&out)
	if _, err := writer.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func code(err error) string {
	var known *failure
	if errors.As(err, &known) {
		return known.Code
	}
	return fmt.Sprint(err)
}

func regular(name string, size int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644}
}

func TestAnArchiveIsReadAsHelmReadsIt(t *testing.T) {
	long := "web/templates/" + strings.Repeat("deep/", 40) + strings.Repeat("x", 120) + ".yaml"
	archive := packed(t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}},
		tar.Header{Typeflag: tar.TypeDir, Name: "web/", Mode: 0o755},
		regular("web/Chart.yaml", 600),
		regular("web/empty", 0),
		regular(long, 512),
		tar.Header{Typeflag: tar.TypeReg, Name: strings.Replace(long, "x", "y", 1), Size: 3, Format: tar.FormatGNU},
	)
	files, err := readArchive("web.tgz", archive)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := helmarchive.LoadArchiveFiles(bytes.NewReader(archive))
	if err != nil || len(files) != len(theirs) {
		t.Fatalf("%d files, Helm has %d: %v", len(files), len(theirs), err)
	}
	for i := range files {
		if files[i].Name != theirs[i].Name || !bytes.Equal(files[i].Data, theirs[i].Data) {
			t.Errorf("%s is not as %s", files[i].Name, theirs[i].Name)
		}
	}
}

func TestBadB35EntriesThatAreNoFilesInsideTheChartAreRefused(t *testing.T) {
	for name, member := range map[string]tar.Header{
		"absolute":      regular("/etc/passwd", 1),
		"drive":         regular("C:/windows", 1),
		"drive below":   regular("web/c:/x", 1),
		"parent":        regular("web/../../x", 1),
		"parent inside": regular("web/a/../b", 1),
		"backslash":     regular(`web\..\..\x`, 1),
		"mixed":         regular(`web/a\b`, 1),
		"control":       regular("web/a\nb", 1),
		"outside":       regular("x", 1),
		"symlink":       {Typeflag: tar.TypeSymlink, Name: "web/x", Linkname: "/etc/passwd"},
		"hard link":     {Typeflag: tar.TypeLink, Name: "web/x", Linkname: "web/Chart.yaml"},
		"device":        {Typeflag: tar.TypeChar, Name: "web/x"},
		"block device":  {Typeflag: tar.TypeBlock, Name: "web/x"},
		"pipe":          {Typeflag: tar.TypeFifo, Name: "web/x"},
		"twice":         regular("web/./Chart.yaml", 1),
		"other twice":   regular("other/Chart.yaml", 1),
	} {
		_, err := readArchive("web.tgz", packed(t, regular("web/Chart.yaml", 1), member))
		if code(err) != "archive.entry" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadB36BombsEndBeforeTheyTakeMuch(t *testing.T) {
	many := make([]tar.Header, archiveEntries+1)
	for i := range many {
		many[i] = regular(fmt.Sprintf("web/%d", i), 0)
	}
	nested := packed(t, regular("web/Chart.yaml", 1))
	for name, archive := range map[string][]byte{
		"ratio":   packed(t, regular("web/Chart.yaml", 15<<20)),
		"file":    packed(t, regular("web/Chart.yaml", archiveFileBytes+1)),
		"entries": packed(t, many...),
		"size":    append(nested, make([]byte, archiveBytesIn)...),
		"tail":    append(bytes.Clone(nested), zipped(t, make([]byte, 200<<20))...),
	} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := readArchive("web.tgz", archive)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if code(err) != "archive.limit" {
			t.Errorf("%s: %v", name, err)
		}
		if took > 2*time.Second || after.TotalAlloc-before.TotalAlloc > 192<<20 {
			t.Errorf("%s: %v, %d MiB", name, took, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
	}
}

func TestBadB37HeadersThatTwoReadersSeeInTwoWaysAreRefused(t *testing.T) {
	good := tarred(t, regular("web/Chart.yaml", 5), regular("web/values.yaml", 5))
	change := func(at int, to string) []byte {
		changed := bytes.Clone(good)
		copy(changed[at:], to)
		// The checksum is put right, so that only the change is wrong.
		copy(changed[148:156], "        ")
		sum := 0
		for _, octet := range changed[:512] {
			sum += int(octet)
		}
		copy(changed[148:156], fmt.Sprintf("%06o\x00 ", sum))
		return changed
	}
	size := func(records string) []byte {
		pax := regular("x", int64(len(records)))
		pax.Name = "PaxHeaders/x"
		header := tarred(t, pax)[:1024]
		header[156] = 'x'
		copy(header[512:], append([]byte(records), make([]byte, 512-len(records))...))
		copy(header[148:156], "        ")
		sum := 0
		for _, octet := range header[:512] {
			sum += int(octet)
		}
		copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
		return append(header, good...)
	}
	for name, content := range map[string][]byte{
		"checksum":       append([]byte("X"), good[1:]...),
		"base 256":       change(124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"),
		"negative":       change(124, "-0000000005\x00"),
		"padding":        append(append(bytes.Clone(good[:600]), 'x'), good[601:]...),
		"after the end":  append(bytes.Clone(good), good[:512]...),
		"cut in a file":  good[:700],
		"cut in a block": good[:1500],
		"pax size":       size("12 size=900\n"),
		"pax sparse":     size("24 GNU.sparse.realsize=\n"),
		"pax length":     size("99 path=web/x\n"),
		"pax twice":      size("10 path=a\n10 path=b\n"),
	} {
		if _, err := readArchive("web.tgz", zipped(t, content)); code(err) != "archive.header" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readArchive("web.tgz", zipped(t, size("10 size=5\n"))); err != nil {
		t.Errorf("the same size twice: %v", err)
	}
	if _, err := readArchive("web.tgz", []byte("no archive")); code(err) != "helm.chart" {
		t.Errorf("no archive: %v", err)
	}
}

func TestAnArchiveInTheChartsOfAChartIsReadByTheSameReader(t *testing.T) {
	bad := packed(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "x/a", Linkname: "/etc/passwd"})
	for _, name := range []string{"charts/x.tgz", "charts/y/charts/x.tgz"} {
		_, err := unpackCharts("apps/web", []*helmarchive.BufferedFile{{Name: name, Data: bad}}, 0)
		if code(err) != "archive.entry" || !strings.HasPrefix(err.Error(), "apps/web/"+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What Helm does not unpack stays a file.
	for _, name := range []string{"x.tgz", "charts/_x.tgz", "charts/y/x.tgz", "templates/x.tgz", "charts/x.tgz.prov"} {
		files, err := unpackCharts("apps/web", []*helmarchive.BufferedFile{{Name: name, Data: bad}}, 0)
		if err != nil || len(files) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArchivesInArchivesHaveABound(t *testing.T) {
	archive := packed(t, regular("x/Chart.yaml", 1))
	for range archiveDepth + 1 {
		var content bytes.Buffer
		writer := tar.NewWriter(&content)
		header := regular("x/charts/x.tgz", int64(len(archive)))
		_ = writer.WriteHeader(&header)
		_, _ = writer.Write(archive)
		_ = writer.Close()
		archive = zipped(t, content.Bytes())
	}
	files, err := readArchive("x.tgz", archive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unpackCharts("x.tgz", files, 1); code(err) != "archive.limit" {
		t.Error(err)
	}
}

// What our reader takes, Helm's reader takes as well and sees the same in it; and nothing makes it
// panic.
func TestArchivesWithRandomFaultsNeverPanicAndAreReadAsHelmReadsThem(t *testing.T) {
	good := tarred(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "web/", Mode: 0o755},
		regular("web/Chart.yaml", 20),
		tar.Header{Typeflag: tar.TypeReg, Name: "web/" + strings.Repeat("y", 180), Size: 700},
		tar.Header{Typeflag: tar.TypeReg, Name: "web/" + strings.Repeat("z", 180), Size: 3, Format: tar.FormatGNU},
	)
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 4_000 {
		content := bytes.Clone(good)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(content))
			switch random.IntN(4) {
			case 0:
				content[at] = byte(random.IntN(256))
			case 1:
				content[at] = "0123457 \x00/.x"[random.IntN(12)]
			case 2:
				content = content[:at]
			case 3:
				content = append(content[:at], content[at/512*512:]...)
			}
			if len(content) == 0 {
				break
			}
			if header := at / 512 * 512; random.IntN(2) == 0 && header+512 <= len(content) {
				mend(content[header : header+512])
			}
		}
		archive := zipped(t, content)
		files, err := readArchive("web.tgz", archive)
		if err != nil {
			continue
		}
		taken++
		theirs, err := helmarchive.LoadArchiveFiles(bytes.NewReader(archive))
		if err != nil {
			continue
		}
		if len(files) != len(theirs) {
			t.Fatalf("%d files, Helm has %d", len(files), len(theirs))
		}
		for i := range files {
			if files[i].Name != theirs[i].Name || !bytes.Equal(files[i].Data, theirs[i].Data) {
				t.Fatalf("%q is not as %q", files[i].Name, theirs[i].Name)
			}
		}
	}
	if taken < 50 {
		t.Errorf("only %d were taken", taken)
	}
}

// mend gives a header the checksum that it needs.
func mend(header []byte) {
	copy(header[148:156], "        ")
	sum := 0
	for _, octet := range header {
		sum += int(octet)
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
}
