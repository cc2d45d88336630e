package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/caarlos0/env/v11"
)

// Load reads the settings of a program from an environment as [os.Environ] gives
// it and from the flags that were set (nil: none), then checks them. The error is
// one line; it names every variable that is wrong, so that all can be mended at
// once, and shows no secret.
func Load(p Program, environ []string, flags *Flags) (*Config, error) {
	vars := toMap(environ)
	problems := unknown(vars)
	set := sources(vars, flags)

	c := &Config{}
	err := env.ParseWithOptions(c, env.Options{
		Environment: set.values,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[[]string]():        parseList,
			reflect.TypeFor[[]time.Duration](): parseDurations,
			reflect.TypeFor[time.Duration]():   func(s string) (any, error) { return parseDuration(s) },
		},
	})
	malformed, err := set.parseProblems(err)
	if err != nil {
		return nil, fmt.Errorf("loading configuration: %w", err)
	}
	if set.emptyMetricsAddr {
		c.MetricsAddr = ""
	}
	c.Region = region(vars)
	problems = append(problems, malformed...)
	problems = append(problems, set.validate(c, p, malformed)...)
	if len(problems) > 0 {
		texts := make([]string, len(problems))
		for i, problem := range problems {
			texts[i] = problem.text
		}
		return nil, errors.New("configuration: " + strings.Join(texts, "; "))
	}
	return c, nil
}

// problem is what is wrong with one variable.
type problem struct {
	name string
	text string
}

// settings are the variables after flags have overridden the environment.
type settings struct {
	environ          lookup // as it was given
	values           map[string]string
	flags            map[string]bool // variables that a flag gave
	emptyMetricsAddr bool
}

func sources(vars map[string]string, flags *Flags) settings {
	s := settings{environ: vars, values: make(map[string]string), flags: make(map[string]bool)}
	for _, v := range variables {
		value, given := vars[v.Name]
		if text, ok := flags.lookup(v.Flag); ok {
			value, given = text, true
			s.flags[v.Name] = true
		}
		// Compose files and charts pass variables empty that nobody set.
		if value = strings.TrimSpace(value); value != "" {
			s.values[v.Name] = value
		} else if given && v.Name == "CDC_METRICS_ADDR" {
			s.emptyMetricsAddr = true
		}
	}
	return s
}

// name returns what the user wrote: the flag or the variable.
func (s settings) name(variable string) string {
	if s.flags[variable] {
		for _, v := range variables {
			if v.Name == variable {
				return "--" + v.Flag
			}
		}
	}
	return variable
}

// given is the value of a variable of ours or of an SDK's, "" for none.
func (s settings) given(variable string) string {
	if value := s.values[variable]; value != "" || strings.HasPrefix(variable, prefix) {
		return value
	}
	return strings.TrimSpace(s.environ[variable])
}

func (s settings) problem(variable, format string, args ...any) problem {
	return problem{variable, s.name(variable) + ": " + fmt.Sprintf(format, args...)}
}

// parseProblems names the variables of a parser's errors; an error of another
// kind is a mistake in our tags.
func (s settings) parseProblems(err error) ([]problem, error) {
	if err == nil {
		return nil, nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return nil, err
	}
	var out []problem
	for _, one := range all.Errors {
		var parse env.ParseError
		if !errors.As(one, &parse) {
			return nil, one
		}
		for _, v := range variables {
			if v.field == fieldIndex(parse.Name) {
				out = append(out, s.problem(v.Name, "%v", readable(parse.Err)))
			}
		}
	}
	return out, nil
}

// readable says for users what packages strconv and time say for programmers.
func readable(err error) error {
	var moment *time.ParseError
	if errors.As(err, &moment) {
		return fmt.Errorf("%q is not a time: write it as 2026-12-01T00:00:00Z", moment.Value)
	}
	var number *strconv.NumError
	if !errors.As(err, &number) {
		return err
	}
	what := "a number in range"
	if number.Func == "ParseBool" {
		what = "true or false"
	}
	return fmt.Errorf("%q is not %s", number.Num, what)
}

// unknown finds CDC_ variables that are not in the table, most likely misspelt.
func unknown(vars map[string]string) []problem {
	var out []problem
	for name := range vars {
		if !strings.HasPrefix(name, prefix) || slices.ContainsFunc(variables, func(v Variable) bool { return v.Name == name }) {
			continue
		}
		text := fmt.Sprintf("%q is not a setting", name)
		if near := nearest(name, names()); near != "" {
			text += ": did you mean " + near + "?"
		}
		out = append(out, problem{name, text})
	}
	slices.SortFunc(out, func(a, b problem) int { return strings.Compare(a.name, b.name) })
	return out
}

func toMap(environ []string) map[string]string {
	out := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			out[name] = value
		}
	}
	return out
}

func parseList(s string) (any, error) {
	items := strings.Split(s, ",")
	for i, item := range items {
		if items[i] = strings.TrimSpace(item); items[i] == "" {
			return nil, fmt.Errorf("item %d of the list is empty", i+1)
		}
	}
	return items, nil
}

func parseDurations(s string) (any, error) {
	items := strings.Split(s, ",")
	out := make([]time.Duration, len(items))
	for i, item := range items {
		var err error
		if out[i], err = parseDuration(strings.TrimSpace(item)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write it as 10s, 5m or 1h30m", s)
	}
	return d, nil
}

// region finds the AWS region where the SDK looks for it, so that our default
// endpoint and the SDK's agree; "" when there is none.
func region(vars map[string]string) string {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if vars[name] != "" {
			return vars[name]
		}
	}
	profile := vars["AWS_PROFILE"]
	if profile == "" {
		profile = vars["AWS_DEFAULT_PROFILE"]
	}
	if profile == "" {
		profile = "default"
	}
	// A profile that is missing or unreadable is the SDK's to report.
	//nolint:forbidigo // it reads two small files: there is nothing to cancel
	shared, err := awsconfig.LoadSharedConfigProfile(context.Background(), profile, func(o *awsconfig.LoadSharedConfigOptions) {
		if file := vars["AWS_CONFIG_FILE"]; file != "" {
			o.ConfigFiles = []string{file}
		}
		if file := vars["AWS_SHARED_CREDENTIALS_FILE"]; file != "" {
			o.CredentialsFiles = []string{file}
		}
	})
	if err != nil {
		return ""
	}
	return shared.Region
}
