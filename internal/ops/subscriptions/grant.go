package subscriptions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Grant says whether a bus's policy lets HealthLake put events.
type Grant struct {
	// Allowed is set when a statement certainly allows it and none may deny it.
	Allowed bool `json:"allowed"`
	// Denied is set when a statement certainly denies it, whatever others allow.
	Denied bool `json:"-"`
	// Unclear names the statement that makes it unclear, and says why.
	Unclear string `json:"unclear,omitempty"`
}

// match says whether a statement, or a part of one, matches a request.
type match int

const (
	no match = iota
	maybe
	yes
)

// GrantOf reads a bus's policy as IAM does (IAM user guide, "IAM JSON policy element
// reference" and "Policy evaluation logic"), for a request of HealthLake's: an explicit
// Deny overrides any Allow. What we do not evaluate (NotAction, NotPrincipal, NotResource,
// other conditions than those of the caller's service and account) makes it unclear. A
// statement of our name without a condition on the account is ignored: it is written
// again.
func GrantOf(policy, busARN string) Grant {
	if policy == "" {
		return Grant{}
	}
	var document struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &document) != nil {
		return Grant{Unclear: "the policy is not a JSON document"}
	}
	var allow, deny match
	var unclear string
	for i, raw := range oneOrMore(document.Statement) {
		var s statement
		name := fmt.Sprintf("number %d", i+1)
		matches, why := maybe, "it cannot be read"
		if json.Unmarshal(raw, &s) == nil {
			if s.Sid == statementID && !s.limitsAccount() {
				continue
			}
			name = cmp.Or(s.Sid, name)
			matches, why = s.matches(busARN)
		}
		if s.Effect == "Allow" {
			allow = max(allow, matches)
		} else {
			deny = max(deny, matches)
		}
		if matches == maybe && unclear == "" {
			unclear = fmt.Sprintf("statement %s of the policy may be about HealthLake: %s", name, why)
		}
	}
	grant := Grant{Allowed: allow == yes && deny == no, Denied: deny == yes}
	if !grant.Allowed && !grant.Denied {
		grant.Unclear = unclear
	}
	return grant
}

type statement struct {
	Sid, Effect                                string
	Principal, NotPrincipal, Action, NotAction json.RawMessage
	Resource, NotResource                      json.RawMessage
	Condition                                  map[string]map[string]json.RawMessage
}

// matches says whether a statement is about HealthLake putting events on the bus, and
// where that is unclear, why.
func (s statement) matches(busARN string) (all match, why string) {
	all = yes
	also := func(part match, reason string) {
		if part == maybe && all == yes {
			why = reason
		}
		all = min(all, part)
	}
	also(s.principal(), "it has a NotPrincipal, or none")
	also(element(s.Action, s.NotAction, func(pattern string) bool {
		return wildcard(strings.ToLower(pattern), strings.ToLower(putEvents))
	}), "it has a NotAction, or no action")
	also(element(s.Resource, s.NotResource, func(pattern string) bool { return wildcard(pattern, busARN) }), "it has a NotResource, a variable, or no resource")
	for operator, keys := range s.Condition {
		for key, values := range keys {
			also(condition(operator, key, texts(values), accountOf(busARN)), "its condition "+operator+" of "+key)
		}
	}
	if all != maybe {
		why = ""
	}
	return all, why
}

// limitsAccount reports whether a statement has a condition on the account of the data
// store.
func (s statement) limitsAccount() bool {
	for _, keys := range s.Condition {
		for key := range keys {
			if strings.EqualFold(key, "aws:SourceAccount") {
				return true
			}
		}
	}
	return false
}

func (s statement) principal() match {
	if len(s.NotPrincipal) > 0 || len(s.Principal) == 0 {
		return maybe
	}
	named := map[string]json.RawMessage{"AWS": s.Principal} // "*" is everyone
	if bytes.HasPrefix(bytes.TrimSpace(s.Principal), []byte("{")) {
		named = nil
		if json.Unmarshal(s.Principal, &named) != nil {
			return maybe
		}
	}
	for kind, values := range named {
		for _, value := range texts(values) {
			if value == "*" || strings.EqualFold(kind, "Service") && value == servicePrincipal {
				return yes
			}
		}
	}
	return no
}

// element is an Action or a Resource, each a text or a list of them.
func element(is, isNot json.RawMessage, matches func(pattern string) bool) match {
	patterns := texts(is)
	switch {
	case len(isNot) > 0 || len(patterns) == 0:
		return maybe
	case slices.ContainsFunc(patterns, matches):
		return yes
	case slices.ContainsFunc(patterns, func(p string) bool { return strings.Contains(p, "${") }):
		return maybe // a policy variable
	}
	return no
}

// condition evaluates an operator on a key of the request, which is HealthLake's own,
// for a data store of the bus's account.
func condition(operator, key string, values []string, account string) match {
	request := map[string]string{
		"aws:sourceaccount":         account,
		"aws:principalservicename":  servicePrincipal,
		"aws:principalisawsservice": "true",
		"aws:securetransport":       "true",
	}
	value, known := request[strings.ToLower(key)]
	operator = strings.TrimSuffix(strings.ToLower(operator), "ifexists")
	operator, negated := strings.ReplaceAll(operator, "not", ""), strings.Contains(operator, "not")
	matches := map[string]func(pattern string) bool{
		"stringequals":           func(p string) bool { return p == value },
		"stringequalsignorecase": func(p string) bool { return strings.EqualFold(p, value) },
		"stringlike":             func(p string) bool { return wildcard(p, value) },
		"bool":                   func(p string) bool { return strings.EqualFold(p, value) },
	}[operator]
	if !known || matches == nil || len(values) == 0 {
		return maybe
	}
	if slices.ContainsFunc(values, matches) != negated {
		return yes
	}
	return no
}

// wildcard reports whether a pattern matches a text: * matches any characters, ? any one.
func wildcard(pattern, text string) bool {
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	matched, err := regexp.MatchString("(?s)^"+quoted+"$", text)
	return err == nil && matched
}

// oneOrMore are the elements of a list, or the only one where there is no list.
func oneOrMore(raw json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if len(raw) == 0 {
		return nil
	}
	if json.Unmarshal(raw, &list) != nil {
		return []json.RawMessage{raw}
	}
	return list
}

// texts are the texts, and the booleans, of one or more.
func texts(raw json.RawMessage) []string {
	var all []string
	for _, one := range oneOrMore(raw) {
		var text string
		switch {
		case json.Unmarshal(one, &text) == nil:
			all = append(all, text)
		case string(one) == "true" || string(one) == "false":
			all = append(all, string(one))
		}
	}
	return all
}
