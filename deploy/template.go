// Package deploy holds the CloudFormation template for programs that apply it
// themselves: the development stack, which may run where there is no clone.
package deploy

import _ "embed"

// Template is healthlake-cdc.yaml.
//
//go:embed healthlake-cdc.yaml
var Template []byte
