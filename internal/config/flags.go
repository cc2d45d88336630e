package config

import (
	"fmt"

	"github.com/spf13/pflag"
)

// Flags are the settings' flags of a command line; see [BindFlags].
type Flags struct {
	set *pflag.FlagSet
}

// BindFlags defines a flag for every CDC_ variable: --datastores for
// CDC_DATASTORES and so on. Give the result to [Load] once the command line has
// been parsed. Values stay texts until then, so that a flag and a variable are
// checked by the same rules.
func BindFlags(set *pflag.FlagSet, p Program) *Flags {
	for _, v := range variables {
		if v.Flag == "" {
			continue
		}
		usage := fmt.Sprintf("%s (%s", v.Help, v.Name)
		switch {
		case v.NeededBy(p):
			usage += ", required"
		case v.field == typesField:
			usage += ", default: the clinical types that the README lists"
		case v.value != "":
			usage += ", default " + v.value
		case len(v.need) == 0:
			usage += ", default: " + v.Default
		}
		value := &flagText{boolean: v.value == "false"}
		set.Var(value, v.Flag, usage+")")
		if value.boolean {
			set.Lookup(v.Flag).NoOptDefVal = "true"
		}
	}
	return &Flags{set: set}
}

func (f *Flags) lookup(name string) (string, bool) {
	if f == nil || name == "" {
		return "", false
	}
	flag := f.set.Lookup(name)
	if flag == nil || !flag.Changed {
		return "", false
	}
	return flag.Value.(*flagText).text, true
}

// flagText is a flag's value as it was written.
type flagText struct {
	text    string
	boolean bool
}

func (t *flagText) Set(s string) error { t.text = s; return nil }

// String is what the help prints as a default; the usage text has it.
func (t *flagText) String() string { return "" }

func (t *flagText) Type() string {
	if t.boolean {
		return "bool"
	}
	return "value"
}
