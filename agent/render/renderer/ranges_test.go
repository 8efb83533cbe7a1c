package main

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
)

// The table that the agent's own reader of ranges is tested with. It is made anew with
// `SYNCLINE_UPDATE_TABLES=1 go test -run TestTheTableOfRanges .`
const rangesTable = "../../core/src/version_range/masterminds.tsv"

type pieces struct{ operators, numbers, endings, joints []string }

// What ranges are made of.
var rangePieces = pieces{
	operators: []string{"", "", "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "^", "~"},
	numbers: []string{
		"0", "1", "2", "1.2", "1.2.3", "0.0.0", "0.0", "0.2.3", "0.0.3", "1.x", "1.2.x", "x", "*", "1.X.3", "X.1",
		"1.*", "v1.2", "v1.2.3", "01.2.3", "2.0.0", "0.x", "0.0.x", "1.2.4", "1.3", "3",
	},
	endings: []string{"", "", "", "", "", "-0", "-alpha", "-rc.1", "-alpha.beta", "+build", "-rc.1+build.5"},
	joints:  []string{" ", ", ", ",", " || ", "||", "  "},
}

// What they are not made of.
var otherPieces = pieces{
	operators: []string{"", "=="},
	numbers:   []string{"1.2.3.4", "1.a", "1xx", "1.2.1x", "1.x.1x", "18446744073709551616", "1|2"},
	endings:   []string{"-01", "-", "+"},
	joints:    []string{" - ", " -", ", , ", " , "},
}

var rangeVersions = []string{
	"0.0.0", "0.0.0-alpha", "0.0.3", "0.0.4", "0.1.0", "0.2.3", "0.2.4", "0.3.0", "1.0.0-0", "1.0.0", "1.1.9", "1.2.0-alpha", "1.2.0",
	"1.2.3-alpha", "1.2.3-alpha.beta", "1.2.3-rc.1", "1.2.3-rc.2", "1.2.3", "1.2.3+build", "1.2.4-rc.1", "1.2.4", "1.3.0", "1.9.9",
	"2.0.0-alpha", "2.0.0-rc.1", "2.0.0", "2.1.0", "3.0.0-0", "3.0.0", "10.0.0",
}

var versionTexts = []string{
	"1", "1.2", "1.2.3", "v1", "v1.2.3", "V1.2.3", "vv1", "01.002.3", "1.2.3.4", "1.2.3-", "1.2.3+", "1.2.3-rc.1", "1.2-rc.1+b.1", "1-0",
	"1.2.3-01", "1.2.3-0a", "1.2.3-a..b", "1.2.3-a.", "1.2.3-a_b", "1.2.3+a_b", "1.2.3+001", "", " 1.2.3", "1.2.3 ", "latest", "x", "1.x",
	"18446744073709551615.0.0", "18446744073709551616.0.0", "-1.0.0", "1.-2", "1..2", ".1", "1.", "1.2.3--", "1.2.3-a-b", "20260203",
}

var rangesWritten = []string{
	"", " ", "*", "x", "1", "1.2", "1.2.3", "v1.2.3", "^1", "^1.2", "^1.2.3", "^0", "^0.0", "^0.0.0", "^0.0.3", "^0.2", "^0.2.3", "^*", "~1", "~1.2",
	"~1.2.3", "~0.0.0", "~0", "~*", "~>1.2", ">*", ">=*", "<*", "<=*", "!=*", "!=1", "!=1.2", "!=1.2 >=0-0", "!=1.2.x, >0-0", "!=1.2.3", ">1", ">1.2",
	">=1 <2", ">=1.0.0-0 <2", ">= 1.2, < 2.0.0 || >= 3", "1.2 - 2.0", "1.2.3 - 2", "1.2-alpha - 2", "1||2 - 3", "1 - 2 - 3", "1 - 2 || 3 - 4",
	">1 - 2", "0.1 1.0 - 2.0", "0.1, 1.0 - 2.0", "1.0 - 2.0 <1.3", "<=1", "<=1.2", "<=1.2.3", "<2", "<2-0", ">0-0", "*-0", "x-0", "^1-0",
	">=1,<2", ">=1<2", ">=1, <2,", ",1", "1,,2", "||", "1||", "||1", "= 1.2.3", "==1", "1.2.3-rc.1", "~1.2.3-alpha", "^1.2.3-alpha", "latest",
	"1.2.3 || latest", ">= 1.2.3-rc.1 || 0.0.3", "\t1.2.3\n", "1.2.3\v", "1\u00a02",
}

func ranges() []string {
	all := append([]string{}, rangesWritten...)
	random := rand.New(rand.NewSource(1))
	pick := func(usual, other []string) string {
		if random.Intn(25) == 0 {
			return other[random.Intn(len(other))]
		}
		return usual[random.Intn(len(usual))]
	}
	for range 900 {
		var text strings.Builder
		for part := range 1 + random.Intn(3) {
			if part > 0 {
				text.WriteString(pick(rangePieces.joints, otherPieces.joints))
			}
			text.WriteString(pick(rangePieces.operators, otherPieces.operators))
			if random.Intn(6) == 0 {
				text.WriteString(" ")
			}
			text.WriteString(pick(rangePieces.numbers, otherPieces.numbers) + pick(rangePieces.endings, otherPieces.endings))
		}
		all = append(all, text.String())
	}
	return all
}

func TestTheTableOfRangesIsWhatMastermindsSays(t *testing.T) {
	var table strings.Builder
	table.WriteString("# Made by ranges_test.go of the renderer with github.com/Masterminds/semver/v3. A version: its text, and how it is read, or `-`.\n")
	for _, text := range append(append([]string{}, versionTexts...), rangeVersions...) {
		read := "-"
		if version, err := semver.NewVersion(text); err == nil {
			read = version.String()
		}
		fmt.Fprintf(&table, "version\t%q\t%s\n", text, read)
	}
	table.WriteString("# A range: its text, and the versions that it holds of the following, or `-` where it is refused.\n")
	fmt.Fprintf(&table, "versions\t%s\n", strings.Join(rangeVersions, "\t"))
	for _, text := range ranges() {
		held := "-"
		if constraint, err := semver.NewConstraint(text); err == nil {
			bits := make([]byte, len(rangeVersions))
			for at, version := range rangeVersions {
				bits[at] = '.'
				if constraint.Check(semver.MustParse(version)) {
					bits[at] = 'x'
				}
			}
			held = string(bits)
		}
		fmt.Fprintf(&table, "range\t%q\t%s\n", text, held)
	}
	if os.Getenv("SYNCLINE_UPDATE_TABLES") != "" {
		if err := os.WriteFile(rangesTable, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := os.ReadFile(rangesTable)
	if err != nil {
		t.Fatal(err)
	}
	if string(found) != table.String() {
		t.Fatal("the table is out of date: SYNCLINE_UPDATE_TABLES=1 go test -run TestTheTableOfRanges .")
	}
}
