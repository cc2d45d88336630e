package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// prefix is what every variable of ours begins with.
const prefix = "CDC_"

// Variable is one row of the table of settings.
type Variable struct {
	Name    string // environment variable
	Flag    string // without dashes; empty for a variable that is not ours
	Default string // as users read it
	Help    string

	field int // index in Config
	need  []string
	value string // the default that a flag's help shows, empty for none
}

// NeededBy tells whether the program refuses to start without the variable.
func (v Variable) NeededBy(p Program) bool { return slices.Contains(v.need, string(p)) }

var variables = readTable()

// Variables returns the table of settings in the order of [Config]'s fields.
func Variables() []Variable { return slices.Clone(variables) }

func names() []string {
	all := make([]string, len(variables))
	for i, v := range variables {
		all[i] = v.Name
	}
	return all
}

func readTable() []Variable {
	var out []Variable
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name := tag.Get("env")
		if name == "" {
			continue
		}
		v := Variable{Name: name, Help: tag.Get("help"), field: i, value: tag.Get("envDefault")}
		if flag, ours := strings.CutPrefix(name, prefix); ours {
			v.Flag = strings.ReplaceAll(strings.ToLower(flag), "_", "-")
		}
		if need := tag.Get("need"); need != "" {
			v.need = strings.Split(need, ",")
		}
		switch {
		case tag.Get("show") != "":
			v.Default = tag.Get("show")
		case v.value != "":
			v.Default = v.value
		case len(v.need) > 0:
			v.Default = "required"
		default:
			v.Default = "–"
		}
		out = append(out, v)
	}
	return out
}

// sdkRows are settings that libraries read by themselves; the README lists them
// with ours.
var sdkRows = [][3]string{
	{"`AWS_REGION`, credentials, `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL_EVENTBRIDGE`", "the SDK's own", "see the AWS SDK"},
	{"`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API key, profiles", "the SDK's own", "see Temporal's environment configuration"},
}

// Table returns the table of settings in Markdown, for the README.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | meaning |\n|---|---|---|---|\n")
	for _, v := range variables {
		flag := "–"
		if v.Flag != "" {
			flag = "`--" + v.Flag + "`"
		}
		shown := v.Default
		switch {
		case v.field == typesField:
			shown = strconv.Itoa(strings.Count(shown, ",")+1) + " clinical types: " + strings.ReplaceAll(shown, ",", ", ")
		case v.value != "" || strings.Contains(shown, "://"):
			shown = "`" + shown + "`"
		case len(v.need) == 1:
			shown += " by the " + v.need[0]
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, flag, shown, escapeCell(v.Help))
	}
	for _, row := range sdkRows {
		fmt.Fprintf(&b, "| %s | – | %s | %s |\n", row[0], row[1], row[2])
	}
	return b.String()
}

// typesField is the index of the one field whose default is a long list.
var typesField = fieldIndex("ResourceTypes")

func fieldIndex(name string) int {
	f, ok := reflect.TypeFor[Config]().FieldByName(name)
	if !ok {
		panic("config: no field " + name)
	}
	return f.Index[0]
}

func escapeCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// String lists every setting as NAME=value on one line, secrets redacted.
func (c *Config) String() string {
	parts := make([]string, 0, len(variables))
	for _, v := range variables {
		parts = append(parts, v.Name+"="+c.text(v))
	}
	return strings.Join(parts, " ")
}

// GoString is String, so that %#v prints no secret either.
func (c *Config) GoString() string { return c.String() }

// LogValue makes package slog log every setting, secrets redacted.
func (c *Config) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(variables))
	for _, v := range variables {
		attrs = append(attrs, slog.String(v.Name, c.text(v)))
	}
	return slog.GroupValue(attrs...)
}

// text returns a setting's value as it could be given in the environment. A key
// ring prints as its ids.
func (c *Config) text(v Variable) string {
	switch value := reflect.ValueOf(c).Elem().Field(v.field).Interface().(type) {
	case []string:
		return strings.Join(value, ",")
	case []time.Duration:
		parts := make([]string, len(value))
		for i, d := range value {
			parts[i] = d.String()
		}
		return strings.Join(parts, ",")
	case time.Time:
		if value.IsZero() {
			return ""
		}
		return value.Format(time.RFC3339)
	default:
		return fmt.Sprint(value)
	}
}
