package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/engine"
)

// Limits of what one call of a template function may make. A template that needs more is endless in
// all likelihood.
const (
	// longestText is what `repeat` and its like may make, in bytes.
	longestText = 16 << 20
	// longestList is what `until`, `untilStep` and `seq` may make, in numbers.
	longestList = 1_000_000
	// longestRandom is what a function for random text may make, in bytes.
	longestRandom = 1 << 20
)

// functions are those of Helm's templates that look outside, are not deterministic, or have no
// bound. One is made for each request; render goes through it once or twice.
type functions struct {
	repository *repository
	lookup     bool
	// denied is why the first call that is not allowed was refused.
	denied *failure
	// unstable are the names of the functions that are not deterministic and were called.
	unstable map[string]bool
	// second is set for the second render; made has what each function made in the first one.
	second bool
	made   map[string][]any
	calls  map[string]int
	start  time.Time
}

// secondClock is how much later the second render seems to happen: year, month, day, weekday, hour,
// minute and second are other ones.
const secondClock = 400*24*time.Hour + time.Hour + time.Minute + time.Second

// differentTries is how often a function is called again to make something else in the second render.
const differentTries = 64

func newFunctions(repository *repository, lookup bool) *functions {
	return &functions{
		repository: repository,
		lookup:     lookup,
		unstable:   map[string]bool{},
		made:       map[string][]any{},
		calls:      map[string]int{},
		start:      time.Now(),
	}
}

// again prepares for the second render.
func (f *functions) again() {
	f.second = true
	f.calls = map[string]int{}
}

// engine is Helm's, with these functions in the place of its own.
func (f *functions) engine() engine.Engine {
	own := template.FuncMap{
		"lookup":        f.look,
		"getHostByName": f.deny("getHostByName", "charts cannot ask for the addresses of hosts"),
		"env":           f.deny("env", "charts cannot read the environment"),
		"expandenv":     f.deny("expandenv", "charts cannot read the environment"),
		"now":           f.now,
		"ago":           f.ago,
		"durationRound": f.durationRound,
		"keys":          sortedKeysOf,
		"values":        sortedValuesOf,
		"repeat":        f.repeat,
		"until":         f.until,
		"untilStep":     f.untilStep,
		"seq":           f.sequence,
		"indent":        f.indent,
		"nindent":       f.nindent,
	}
	base := sprig.TxtFuncMap()
	for _, name := range []string{"date", "dateInZone", "date_in_zone"} {
		own[name] = f.dated(name, base[name], 1)
	}
	for _, name := range []string{"htmlDate", "htmlDateInZone"} {
		own[name] = f.dated(name, base[name], 0)
	}
	for _, name := range randomFunctions {
		own[name] = f.random(name, base[name])
	}
	return engine.Engine{CustomTemplateFuncs: own}
}

// randomFunctions are those of sprig that make something else each time.
var randomFunctions = []string{
	"randAlphaNum", "randAlpha", "randAscii", "randNumeric", "randBytes", "randInt", "shuffle",
	"uuidv4", "bcrypt", "htpasswd", "encryptAES", "genPrivateKey", "genCA", "genCAWithKey",
	"genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
}

// deny makes a function that fails. It takes any arguments, so that the failure is this one.
func (f *functions) deny(name, why string) any {
	return func(...any) (string, error) { return "", f.refuse(name, why) }
}

func (f *functions) refuse(name, why string) error {
	return f.fail("helm.func_denied", "the function "+name+" is not allowed: "+why)
}

func (f *functions) fail(code, message string) error {
	if f.denied == nil {
		f.denied = &failure{Code: code, Message: message, exact: true}
	}
	return errors.New(message)
}

func (f *functions) look(apiVersion, kind, namespace, name string) (map[string]any, error) {
	if !f.lookup {
		return nil, f.refuse("lookup", "`helm.lookup: true` lets the chart read from the cluster as the service account of the application")
	}
	return f.repository.lookup(apiVersion, kind, namespace, name)
}

func (f *functions) clock() time.Time {
	if f.second {
		return f.start.Add(secondClock)
	}
	return f.start
}

func (f *functions) now() time.Time {
	f.unstable["now"] = true
	return f.clock()
}

func (f *functions) ago(date any) string {
	f.unstable["ago"] = true
	then := f.clock()
	switch date := date.(type) {
	case time.Time:
		then = date
	case int64:
		then = time.Unix(date, 0)
	case int:
		then = time.Unix(int64(date), 0)
	}
	return f.clock().Sub(then).Round(time.Second).String()
}

var sprigDurationRound = sprig.TxtFuncMap()["durationRound"].(func(any) string)

func (f *functions) durationRound(duration any) string {
	if since, ok := duration.(time.Time); ok {
		f.unstable["durationRound"] = true
		duration = int64(f.clock().Sub(since))
	}
	return sprigDurationRound(duration)
}

// dated wraps a function that takes what is no date for now.
func (f *functions) dated(name string, original any, argument int) any {
	function := reflect.ValueOf(original)
	return reflect.MakeFunc(function.Type(), func(arguments []reflect.Value) []reflect.Value {
		switch arguments[argument].Interface().(type) {
		case time.Time, *time.Time, int64, int, int32:
		default:
			f.unstable[name] = true
			arguments[argument] = reflect.ValueOf(f.clock())
		}
		return function.Call(arguments)
	}).Interface()
}

// random wraps a function so that its calls are known, and that it makes something else in the
// second render wherever it can.
func (f *functions) random(name string, original any) any {
	function := reflect.ValueOf(original)
	return reflect.MakeFunc(function.Type(), func(arguments []reflect.Value) []reflect.Value {
		f.unstable[name] = true
		if strings.HasPrefix(name, "rand") && name != "randInt" && arguments[0].Int() > longestRandom {
			panic(f.fail("helm.limit", fmt.Sprintf("%s may make no more than %d characters", name, longestRandom)))
		}
		call := f.calls[name]
		f.calls[name]++
		made := function.Call(arguments)
		if !f.second {
			f.made[name] = append(f.made[name], made[0].Interface())
			return made
		}
		for range differentTries {
			if call >= len(f.made[name]) || !reflect.DeepEqual(made[0].Interface(), f.made[name][call]) {
				break
			}
			made = function.Call(arguments)
		}
		return made
	}).Interface()
}

// sortedKeysOf is `keys` of sprig, which returns them in the random order of Go's maps.
func sortedKeysOf(dicts ...map[string]any) []string {
	keys := []string{}
	for _, dict := range dicts {
		keys = append(keys, sortedKeys(dict)...)
	}
	return keys
}

// sortedValuesOf is `values` of sprig, in the order of the keys.
func sortedValuesOf(dict map[string]any) []any {
	values := make([]any, 0, len(dict))
	for _, key := range sortedKeys(dict) {
		values = append(values, dict[key])
	}
	return values
}

func (f *functions) repeat(count int, text string) (string, error) {
	switch {
	case count < 0:
		return "", errors.New("repeat cannot repeat less than zero times")
	case len(text) > 0 && count > longestText/len(text):
		return "", f.fail("helm.limit", fmt.Sprintf("repeat may make no more than %d bytes", longestText))
	}
	return strings.Repeat(text, count), nil
}

var (
	sprigUntil     = sprig.TxtFuncMap()["until"].(func(int) []int)
	sprigUntilStep = sprig.TxtFuncMap()["untilStep"].(func(int, int, int) []int)
	sprigSequence  = sprig.TxtFuncMap()["seq"].(func(...int) string)
)

func (f *functions) until(count int) ([]int, error) {
	if err := f.counts("until", 0, count, 1); err != nil {
		return nil, err
	}
	return sprigUntil(count), nil
}

func (f *functions) untilStep(start, stop, step int) ([]int, error) {
	if err := f.counts("untilStep", start, stop, step); err != nil {
		return nil, err
	}
	return sprigUntilStep(start, stop, step), nil
}

func (f *functions) sequence(parameters ...int) (string, error) {
	start, stop, step := 1, 0, 1
	switch len(parameters) {
	case 1:
		stop = parameters[0]
	case 2:
		start, stop = parameters[0], parameters[1]
	case 3:
		start, step, stop = parameters[0], parameters[1], parameters[2]
	}
	if err := f.counts("seq", start, stop, step); err != nil {
		return "", err
	}
	return sprigSequence(parameters...), nil
}

// counts refuses a count that is too long.
func (f *functions) counts(name string, start, stop, step int) error {
	distance := float64(stop) - float64(start)
	if distance < 0 {
		distance = -distance
	}
	if step < 0 {
		step = -step
	}
	if distance/float64(max(step, 1)) > longestList {
		return f.fail("helm.limit", fmt.Sprintf("%s may count no further than %d numbers", name, longestList))
	}
	return nil
}

func (f *functions) indent(spaces int, text string) (string, error) {
	if spaces > 0 && spaces > longestText/(strings.Count(text, "\n")+1) {
		return "", f.fail("helm.limit", fmt.Sprintf("indent may make no more than %d bytes", longestText))
	}
	if spaces < 0 {
		return "", errors.New("indent needs a number of blanks")
	}
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad), nil
}

func (f *functions) nindent(spaces int, text string) (string, error) {
	indented, err := f.indent(spaces, text)
	return "\n" + indented, err
}

// names lists the functions that made the render unstable.
func (f *functions) names() string {
	return strings.Join(slices.Sorted(func(yield func(string) bool) {
		for name := range f.unstable {
			if !yield(name) {
				return
			}
		}
	}), ", ")
}
