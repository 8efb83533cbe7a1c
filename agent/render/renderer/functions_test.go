package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

func once(t *testing.T, functions *functions, template string) (string, error) {
	t.Helper()
	web := &chart.Chart{Metadata: &chart.Metadata{Name: "web"}}
	web.Templates = []*common.File{{Name: "templates/a", Data: []byte(template)}}
	files, err := functions.engine().Render(web, common.Values{"Values": map[string]any{"map": map[string]any{"b": 1, "a": 2}}})
	return files["web/templates/a"], err
}

func TestEveryFunctionThatIsNotDeterministicShowsInTheSecondRender(t *testing.T) {
	ca := `{{- $ca := genCA "a" 1 }}`
	for _, template := range []string{
		`{{ randAlphaNum 1 }}`, `{{ randAlpha 1 }}`, `{{ randAscii 1 }}`, `{{ randNumeric 1 }}`,
		`{{ randBytes 1 }}`, `{{ randInt 0 2 }}`, `{{ shuffle "ab" }}`, `{{ uuidv4 }}`,
		`{{ bcrypt "a" }}`, `{{ htpasswd "a" "b" }}`, `{{ encryptAES "secret" "a" }}`,
		`{{ genPrivateKey "ecdsa" }}`, `{{ (genCA "a" 1).Cert }}`, `{{ (genSelfSignedCert "a" nil nil 1).Key }}`,
		ca + `{{ (genSignedCert "a" nil nil 1 $ca).Cert }}`,
		`{{ (genCAWithKey "a" 1 (genPrivateKey "ecdsa")).Cert }}`,
		`{{ now.Year }}`, `{{ now.Month }}`, `{{ now.Day }}`, `{{ now.Hour }}`, `{{ now.Minute }}`, `{{ now.Second }}`,
		`{{ now.Weekday }}`, `{{ now | htmlDate }}`, `{{ date "15" now }}`, `{{ htmlDate "" }}`, `{{ date "05" nil }}`,
		`{{ dateInZone "04" "" "UTC" }}`, `{{ ago (toDate "2006-01-02" "2020-01-01") }}`,
		`{{ durationRound (toDate "2006-01-02" "2020-01-01") }}`, `{{ now | unixEpoch }}`, `{{ now | dateModify "1h" }}`,
		`{{ tpl "{{ uuidv4 }}" . }}`,
	} {
		functions := newFunctions(nil, false)
		first, err := once(t, functions, template)
		if err != nil {
			t.Fatal(template, err)
		}
		if len(functions.unstable) == 0 {
			t.Errorf("%s is not known", template)
		}
		functions.again()
		second, err := once(t, functions, template)
		if err != nil || first == second {
			t.Errorf("%s: %q twice, %v", template, first, err)
		}
	}
}

func TestFunctionsThatAreDeterministicAreNotFlagged(t *testing.T) {
	template := `{{ keys .Values.map | join "," }} {{ values .Values.map | join "," }} {{ derivePassword 1 "long" "a" "b" "c" }}
{{ date "2006" 86400 }} {{ htmlDate 0 }} {{ durationRound "2h" }} {{ sha256sum "a" }} {{ repeat 2 "a" }} {{ seq 3 }}`
	functions := newFunctions(nil, false)
	first, err := once(t, functions, template)
	if err != nil || len(functions.unstable) > 0 || !strings.HasPrefix(first, "a,b 2,1 ") {
		t.Errorf("%q %v %v", first, functions.unstable, err)
	}
}

// A new function of sprig is looked at before it is let in.
func TestSprigHasNoFunctionThatNobodyLookedAt(t *testing.T) {
	const known = 211
	names := sprig.TxtFuncMap()
	if len(names) != known {
		t.Errorf("sprig has %d functions", len(names))
	}
	for name := range names {
		if strings.Contains(name, "rand") || strings.HasPrefix(name, "gen") {
			if !slices.Contains(randomFunctions, name) {
				t.Errorf("%s may be random", name)
			}
		}
	}
}

func TestBadB42CallsWithoutBoundAreRefusedAtOnce(t *testing.T) {
	for _, template := range []string{
		`{{ repeat 1000000000 "x" }}`, `{{ until 1000000000 }}`, `{{ untilStep 0 -1000000000 -1 }}`,
		`{{ seq 1000000000 }}`, `{{ seq 0 1 1000000000 }}`, `{{ indent 1000000000 "x" }}`,
		`{{ nindent 1000000000 "x" }}`, `{{ randAlphaNum 1000000000 }}`, `{{ randBytes 1000000000 }}`,
		`{{ tpl "{{ repeat 1000000000 \"x\" }}" . }}`, `{{ seq -9223372036854775808 9223372036854775807 }}`,
	} {
		functions := newFunctions(nil, false)
		start := time.Now()
		_, err := once(t, functions, template)
		if err == nil {
			t.Errorf("%s is let through", template)
			continue
		}
		told := functions.failure(newChartPaths(&chartFiles{shown: "web"}), err)
		if code(told) != "helm.limit" || !strings.Contains(fmt.Sprint(told), "web/templates/a") {
			t.Errorf("%s: %v", template, told)
		}
		if time.Since(start) > time.Second {
			t.Errorf("%s took %v", template, time.Since(start))
		}
	}
}
