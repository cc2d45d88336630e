package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

const (
	prefix       = "CDC_" // of our variables
	everyProgram = "worker, starter"
)

// variable is one row of the table of settings.
type variable struct {
	name, help         string
	flag               string // without dashes; empty for a variable of an SDK
	byDefault          string // as users read it, empty for none
	requiredBy, usedBy string // programs
	field              string // of Config
	isBool             bool
}

var variables = readTable()

// Names returns the names of all variables.
func Names() []string {
	all := make([]string, len(variables))
	for i, v := range variables {
		all[i] = v.name
	}
	return all
}

func readTable() []variable {
	var out []variable
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		field := t.Field(i)
		v := variable{
			name: field.Tag.Get("env"), help: field.Tag.Get("help"), requiredBy: field.Tag.Get("requiredBy"),
			usedBy:    cmp.Or(field.Tag.Get("usedBy"), everyProgram),
			byDefault: cmp.Or(field.Tag.Get("default"), field.Tag.Get("envDefault")),
			field:     field.Name, isBool: field.Type.Kind() == reflect.Bool,
		}
		if v.name == "" {
			continue
		}
		if flag, ours := strings.CutPrefix(v.name, prefix); ours {
			v.flag = strings.ReplaceAll(strings.ToLower(flag), "_", "-")
		}
		switch v.requiredBy {
		case "":
		case everyProgram:
			v.byDefault = "required"
		default:
			v.byDefault = "required by the " + v.requiredBy
		}
		out = append(out, v)
	}
	return out
}

// BindFlags defines a flag for every CDC_ variable: --datastores for CDC_DATASTORES and
// so on. Give the set to [Load] once the command line has been parsed. Values stay texts
// until then, so that a flag and a variable are checked by the same rules.
func BindFlags(set *pflag.FlagSet) {
	for _, v := range variables {
		if v.flag == "" {
			continue
		}
		usage := v.help + " (" + v.name
		switch {
		case strings.HasPrefix(v.byDefault, "required"):
			usage += ", " + v.byDefault
		case v.byDefault != "":
			usage += ", default " + v.byDefault
		}
		usage += ")"
		if v.isBool {
			set.Bool(v.flag, false, usage)
		} else {
			set.String(v.flag, "", usage)
		}
	}
}

// sdkRows are settings that libraries read by themselves.
var sdkRows = [][3]string{
	{"`AWS_REGION`, credentials, `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL_EVENTBRIDGE`", "the SDK's own", "see the AWS SDK"},
	{"`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API key, profiles", "the SDK's own", "see Temporal's environment configuration"},
}

// Reference returns the table of settings in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString("| variable | flag | used by | default | meaning |\n|---|---|---|---|---|\n")
	for _, v := range variables {
		flag, byDefault := "–", cmp.Or(v.byDefault, "–")
		if v.flag != "" {
			flag = "`--" + v.flag + "`"
		}
		if v.byDefault != "" && v.requiredBy == "" && !strings.Contains(v.byDefault, " ") {
			byDefault = "`" + v.byDefault + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", v.name, flag, v.usedBy, byDefault, strings.ReplaceAll(v.help, "|", `\|`))
	}
	for _, row := range sdkRows {
		fmt.Fprintf(&b, "| %s | – | %s | %s | %s |\n", row[0], everyProgram, row[1], row[2])
	}
	fmt.Fprintf(&b, "\nThe default of `CDC_RESOURCE_TYPES`: %s.\n", strings.Join(defaultTypes, ", "))
	return b.String()
}
