package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
)

// Limits of one archive of a chart. They are far above what charts have: the largest ones in use
// have 6 MiB and 600 files, and compress 20:1.
const (
	// archiveBytesIn is the size of the archive itself.
	archiveBytesIn = 16 << 20
	// archiveBytesOut is the size of everything in it.
	archiveBytesOut = 32 << 20
	// archiveFileBytes is the size of one file in it.
	archiveFileBytes = 16 << 20
	// archiveRatio is how many bytes come out of one, once more than archiveRatioFrom came out.
	archiveRatio     = 200
	archiveRatioFrom = 2 << 20
	// archiveEntries is the number of files and directories in it.
	archiveEntries = 10_000
	// archiveDepth is how often an archive may lie in an archive.
	archiveDepth = 8
)

// readArchive reads the files of a chart's archive, as Helm names them: without the first part of
// their paths. It is stricter than Helm: what two readers could see in two ways is refused.
func readArchive(name string, packed []byte) ([]*archive.BufferedFile, error) {
	content, err := inflate(name, packed)
	if err != nil {
		return nil, err
	}
	reader := &tarReader{archive: name, rest: content, seen: map[string]bool{}}
	var files []*archive.BufferedFile
	for {
		member, err := reader.next()
		if err != nil {
			return nil, err
		}
		if member == nil {
			break
		}
		file, err := reader.file(member)
		if err != nil {
			return nil, err
		}
		if file != nil {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, &failure{Code: "helm.chart", Message: "the archive has no files", File: name}
	}
	return files, nil
}

func inflate(name string, packed []byte) ([]byte, error) {
	limit := func(what string) error {
		return &failure{Code: "archive.limit", Message: "the archive " + what, File: name, exact: true}
	}
	if len(packed) > archiveBytesIn {
		return nil, limit(fmt.Sprintf("has more than %d MiB", archiveBytesIn>>20))
	}
	broken := &failure{Code: "helm.chart", Message: "the archive is not in the format of gzip, or damaged", File: name}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, broken
	}
	var content bytes.Buffer
	for {
		_, err := io.CopyN(&content, unpacked, 256<<10)
		size := content.Len()
		switch {
		case size > archiveBytesOut:
			return nil, limit(fmt.Sprintf("has more than %d MiB when it is unpacked", archiveBytesOut>>20))
		case size > archiveRatioFrom && size > archiveRatio*len(packed):
			return nil, limit(fmt.Sprintf("is packed by more than %d:1", archiveRatio))
		case err == io.EOF:
			return content.Bytes(), nil
		case err != nil:
			return nil, broken
		}
	}
}

// tarReader goes through a tar file. Formats: ustar, PAX and GNU without sparse files.
type tarReader struct {
	archive string
	rest    []byte
	entries int
	seen    map[string]bool
}

// member is one file or directory.
type member struct {
	name      string
	directory bool
	content   []byte
}

const tarBlock = 512

func (r *tarReader) wrong(code, message string) error {
	return &failure{Code: code, Message: message, File: r.archive, exact: true}
}

// next returns the next member; nil at the end.
func (r *tarReader) next() (*member, error) {
	var longName string
	var records map[string]string
	for {
		if len(r.rest) == 0 {
			// Some writers leave the end marker out.
			if longName != "" || records != nil {
				return nil, r.wrong("archive.header", "the archive ends after a header that belongs to another")
			}
			return nil, nil
		}
		if len(r.rest) < tarBlock {
			return nil, r.wrong("archive.header", "the archive ends within a header")
		}
		header := r.rest[:tarBlock]
		if isZero(header) {
			if !isZero(r.rest) {
				return nil, r.wrong("archive.header", "the archive goes on after its end")
			}
			r.rest = nil
			continue
		}
		if r.entries++; r.entries > archiveEntries {
			return nil, r.wrong("archive.limit", fmt.Sprintf("the archive has more than %d entries", archiveEntries))
		}
		size, err := r.check(header)
		if err != nil {
			return nil, err
		}
		kind := header[156]
		if kind == '5' && size != 0 {
			return nil, r.wrong("archive.header", "a directory in the archive has content")
		}
		padded := (size + tarBlock - 1) / tarBlock * tarBlock
		if padded > len(r.rest)-tarBlock {
			return nil, r.wrong("archive.header", "the archive ends within a file")
		}
		content := r.rest[tarBlock : tarBlock+size]
		if !isZero(r.rest[tarBlock+size : tarBlock+padded]) {
			return nil, r.wrong("archive.header", "the room after a file in the archive is not empty")
		}
		r.rest = r.rest[tarBlock+padded:]
		switch kind {
		case 'x':
			if records != nil {
				return nil, r.wrong("archive.header", "a file in the archive has two extended headers")
			}
			if records, err = r.records(content); err != nil {
				return nil, err
			}
		case 'g':
			if _, err := r.records(content); err != nil {
				return nil, err
			}
		case 'L':
			if longName != "" {
				return nil, r.wrong("archive.header", "a file in the archive has two long names")
			}
			longName = cString(content)
		case 0, '0', '5':
			return r.member(header, kind, size, longName, records, content)
		default:
			return nil, r.wrong("archive.entry", "the archive has a link, a device or another entry that is neither file nor directory")
		}
	}
}

func (r *tarReader) member(header []byte, kind byte, size int, longName string, records map[string]string, content []byte) (*member, error) {
	name := cString(header[:100])
	if string(header[257:263]) == "ustar\x00" {
		if prefix := cString(header[345:500]); prefix != "" {
			name = prefix + "/" + name
		}
	}
	if longName != "" {
		name = longName
	}
	if written, ok := records["path"]; ok {
		name = written
	}
	if written, ok := records["size"]; ok && written != strconv.Itoa(size) {
		return nil, r.wrong("archive.header", "two headers give two sizes to a file in the archive")
	}
	directory := kind == '5' || strings.HasSuffix(name, "/")
	if directory && size != 0 {
		return nil, r.wrong("archive.header", "a directory in the archive has content")
	}
	return &member{name: name, directory: directory, content: content}, nil
}

// check holds a header against its checksum and returns the size of what follows.
func (r *tarReader) check(header []byte) (int, error) {
	written, ok := octal(header[148:156])
	sum := 0
	for i, octet := range header {
		if i >= 148 && i < 156 {
			octet = ' '
		}
		sum += int(octet)
	}
	if !ok || written != sum {
		return 0, r.wrong("archive.header", "the checksum of a header in the archive is wrong")
	}
	size, ok := octal(header[124:136])
	if !ok {
		return 0, r.wrong("archive.header", "the size of a file in the archive cannot be read")
	}
	if size > archiveFileBytes {
		return 0, r.wrong("archive.limit", fmt.Sprintf("a file in the archive has more than %d MiB", archiveFileBytes>>20))
	}
	return size, nil
}

// records reads an extended header: lines of `<length> <key>=<value>`.
func (r *tarReader) records(content []byte) (map[string]string, error) {
	records := map[string]string{}
	for len(content) > 0 {
		digits, _, ok := bytes.Cut(content, []byte(" "))
		length, err := strconv.Atoi(string(digits))
		if !ok || err != nil || len(digits) > 8 || length <= len(digits)+1 || length > len(content) || content[length-1] != '\n' {
			return nil, r.wrong("archive.header", "an extended header in the archive cannot be read")
		}
		key, value, ok := strings.Cut(string(content[len(digits)+1:length-1]), "=")
		if _, twice := records[key]; !ok || twice || strings.Contains(value, "\x00") && (key == "path" || key == "size") {
			return nil, r.wrong("archive.header", "an extended header in the archive cannot be read")
		}
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, r.wrong("archive.header", "the archive has a sparse file")
		}
		records[key] = value
		content = content[length:]
	}
	return records, nil
}

var drivePath = regexp.MustCompile(`^[a-zA-Z]:`)

// file gives a member the name that it has in the chart; nil for a directory.
func (r *tarReader) file(member *member) (*archive.BufferedFile, error) {
	refuse := func(why string) error {
		return r.wrong("archive.entry", "the archive has an entry "+why)
	}
	// Archives that were made on Windows have backslashes, and then no slashes.
	name := strings.TrimSuffix(member.name, "/")
	if strings.Contains(name, `\`) {
		if strings.Contains(name, "/") {
			return nil, refuse("with both / and \\ in its name")
		}
		name = strings.TrimSuffix(strings.ReplaceAll(name, `\`, "/"), "/")
	}
	parts := strings.Split(name, "/")
	switch {
	case name == "":
		return nil, refuse("without a name")
	case strings.HasPrefix(name, "/") || drivePath.MatchString(name):
		return nil, refuse("with an absolute path")
	case strings.ContainsFunc(name, func(letter rune) bool { return letter < ' ' || letter == 0x7f }):
		return nil, refuse("with a control character in its name")
	}
	for _, part := range parts {
		if part == ".." {
			return nil, refuse("with `..` in its path")
		}
	}
	if member.directory {
		return nil, nil
	}
	below := path.Clean(strings.Join(parts[1:], "/"))
	if parts[0] == "Chart.yaml" && len(parts) == 1 {
		return nil, &failure{Code: "helm.chart", Message: "the files of the archive are not in a directory", File: r.archive}
	}
	if len(parts) == 1 || below == "." || drivePath.MatchString(below) {
		return nil, refuse("outside the directory of the chart")
	}
	if r.seen[below] {
		return nil, refuse("that it has already")
	}
	r.seen[below] = true
	return &archive.BufferedFile{Name: below, Data: bytes.TrimPrefix(member.content, byteOrderMark)}, nil
}

var byteOrderMark = []byte("\xEF\xBB\xBF")

func isZero(content []byte) bool {
	for _, octet := range content {
		if octet != 0 {
			return false
		}
	}
	return true
}

func cString(field []byte) string {
	text, _, _ := bytes.Cut(field, []byte{0})
	return string(text)
}

// octal reads a number of a header. Only digits, blanks before and blanks or zeros after them are
// allowed, so the binary form of GNU is refused: no chart is that large.
func octal(field []byte) (int, bool) {
	text := strings.TrimLeft(string(field), " ")
	text = strings.TrimRight(text, " \x00")
	if text == "" {
		return 0, true
	}
	number, err := strconv.ParseUint(text, 8, 40)
	return int(number), err == nil && text[0] != '+'
}

// unpackCharts puts the files of the archives in `charts/` in the place of each archive, in the
// directory of its name with packedMark after it, so that no other reader sees an archive.
func unpackCharts(shown string, files []*archive.BufferedFile, depth int) ([]*archive.BufferedFile, error) {
	var all []*archive.BufferedFile
	budget := archiveBytesOut
	for _, file := range files {
		base, isArchive := packedChart(file.Name)
		if !isArchive {
			all = append(all, file)
			continue
		}
		name := below(shown, file.Name)
		if depth >= archiveDepth {
			return nil, &failure{Code: "archive.limit", Message: fmt.Sprintf("more than %d archives lie in each other", archiveDepth), File: name}
		}
		inner, err := readArchive(name, file.Data)
		if err != nil {
			return nil, err
		}
		if inner, err = unpackCharts(name, inner, depth+1); err != nil {
			return nil, err
		}
		for _, packed := range inner {
			if budget -= len(packed.Data); budget < 0 {
				return nil, &failure{Code: "archive.limit", Message: fmt.Sprintf("the archives in the chart have more than %d MiB when they are unpacked", archiveBytesOut>>20), File: name, exact: true}
			}
			all = append(all, &archive.BufferedFile{Name: base + "/" + packed.Name, Data: packed.Data})
		}
	}
	return all, nil
}

// packedMark marks a directory that stands for an archive.
const packedMark = "!"

// packedChart says whether Helm would unpack a file, and the directory that takes its place.
func packedChart(name string) (string, bool) {
	parts := strings.Split(name, "/")
	last := len(parts) - 1
	if path.Ext(name) != ".tgz" || last%2 != 1 {
		return "", false
	}
	// charts/a/charts/b/charts/c.tgz
	for i, part := range parts {
		if i%2 == 0 && part != "charts" || i%2 == 1 && strings.IndexAny(part, "_.") == 0 {
			return "", false
		}
	}
	return name + packedMark, true
}
