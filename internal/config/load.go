package config

import (
	"cmp"
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
	"github.com/spf13/pflag"
)

// Load reads the settings of a program from an environment as [os.Environ] gives it and
// from the flags that were set (nil: none), and checks them. The error is one line that
// names every variable that is wrong, and shows no secret.
func Load(p Program, environ []string, flags *pflag.FlagSet) (*Config, error) {
	c := &Config{}
	s := newSettings(environ, flags)
	s.checkNames()
	if err := s.parse(c); err != nil {
		return nil, fmt.Errorf("loading configuration: %w", err)
	}
	s.validate(c, p)
	if len(s.problems) > 0 {
		texts := make([]string, len(s.problems))
		for i, problem := range s.problems {
			texts[i] = problem.text
		}
		return nil, errors.New("configuration: " + strings.Join(texts, "; "))
	}
	return c, nil
}

// settings are the variables after flags have overridden the environment, and what is
// wrong with them.
type settings struct {
	environ  lookup            // as it was given
	values   map[string]string // of our variables
	flags    map[string]string // the flags that gave them, with their dashes
	problems []problem
}

// problem is what is wrong with one variable.
type problem struct{ name, text string }

// newSettings collects the variables that are set.
func newSettings(environ []string, flags *pflag.FlagSet) *settings {
	s := &settings{environ: make(lookup), values: make(map[string]string), flags: make(map[string]string)}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			s.environ[name] = value
		}
	}
	for _, v := range variables {
		value, given := s.environ[v.name]
		if flags != nil && v.flag != "" && flags.Changed(v.flag) {
			value, given = flags.Lookup(v.flag).Value.String(), true
			s.flags[v.name] = "--" + v.flag
		}
		// Compose files and charts pass variables empty that nobody set.
		if value = strings.TrimSpace(value); value != "" || given && v.name == "CDC_METRICS_ADDR" {
			s.values[v.name] = value
		}
	}
	return s
}

// given is the value of a variable of ours or of an SDK's, "" for none.
func (s *settings) given(name string) string {
	if strings.HasPrefix(name, prefix) {
		return s.values[name] // a flag may have emptied it
	}
	return strings.TrimSpace(s.environ[name])
}

// check notes a problem with a variable unless ok, only the first of each.
func (s *settings) check(ok bool, name, format string, args ...any) {
	if ok || slices.ContainsFunc(s.problems, func(p problem) bool { return p.name == name }) {
		return
	}
	s.problems = append(s.problems, problem{name, cmp.Or(s.flags[name], name) + ": " + fmt.Sprintf(format, args...)})
}

// checkNames finds CDC_ variables that are not in the table, most likely misspelt.
func (s *settings) checkNames() {
	known := Names()
	for name := range s.environ {
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) {
			continue
		}
		s.problems = append(s.problems, problem{name, fmt.Sprintf("%q is not a setting%s", name, suggestion(name, known))})
	}
	slices.SortFunc(s.problems, func(a, b problem) int { return strings.Compare(a.name, b.name) })
}

// parse fills in c. Its error is a mistake in our tags.
func (s *settings) parse(c *Config) error {
	err := env.ParseWithOptions(c, env.Options{
		Environment: s.values,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[[]string]():      parseList,
			reflect.TypeFor[time.Duration](): parseDuration,
		},
	})
	all, ok := errors.AsType[env.AggregateError](err)
	if err != nil && !ok {
		return err
	}
	for _, one := range all.Errors {
		parse, ok := errors.AsType[env.ParseError](one)
		if !ok {
			return one
		}
		for _, v := range variables {
			s.check(v.field != parse.Name, v.name, "%v", readable(parse.Err))
		}
	}
	if addr, given := s.values["CDC_METRICS_ADDR"]; given {
		c.MetricsAddr = addr // also an empty one, for which env takes the default
	}
	if len(c.ResourceTypes) == 0 {
		c.ResourceTypes = slices.Clone(defaultTypes)
	}
	c.AcceptPlaintextUntil = c.AcceptPlaintextUntil.UTC()
	c.Region = region(s.environ)
	return nil
}

// readable says for users what packages strconv and time say for programmers.
func readable(err error) error {
	if moment, ok := errors.AsType[*time.ParseError](err); ok {
		return fmt.Errorf("%q is not a time: write it as 2026-12-01T00:00:00Z", moment.Value)
	}
	number, ok := errors.AsType[*strconv.NumError](err)
	if !ok {
		return err
	}
	what := "a number in range"
	if number.Func == "ParseBool" {
		what = "true or false"
	}
	return fmt.Errorf("%q is not %s", number.Num, what)
}

func parseList(text string) (any, error) {
	items := strings.Split(text, ",")
	for i, item := range items {
		if items[i] = strings.TrimSpace(item); items[i] == "" {
			return nil, fmt.Errorf("item %d of the list is empty", i+1)
		}
	}
	return items, nil
}

func parseDuration(text string) (any, error) {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%q is not a duration: write it as 10s, 5m or 1h30m", text)
	}
	return d, nil
}

// region finds the AWS region where the SDK looks for it, so that our default
// endpoint and the SDK's agree; "" when there is none.
func region(environ lookup) string {
	if name := cmp.Or(environ["AWS_REGION"], environ["AWS_DEFAULT_REGION"]); name != "" {
		return name
	}
	profile := cmp.Or(environ["AWS_PROFILE"], environ["AWS_DEFAULT_PROFILE"], "default")
	// A profile that is missing or unreadable is the SDK's to report.
	//nolint:forbidigo // it reads two small files: there is nothing to cancel
	shared, err := awsconfig.LoadSharedConfigProfile(context.Background(), profile, func(o *awsconfig.LoadSharedConfigOptions) {
		if file := environ["AWS_CONFIG_FILE"]; file != "" {
			o.ConfigFiles = []string{file}
		}
		if file := environ["AWS_SHARED_CREDENTIALS_FILE"]; file != "" {
			o.CredentialsFiles = []string{file}
		}
	})
	if err != nil {
		return ""
	}
	return shared.Region
}
