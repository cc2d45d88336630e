// Package deploy holds the CloudFormation template for the development stack, which
// applies it and may run without a clone.
package deploy

import _ "embed"

// Template is healthlake-cdc.yaml.
//
//go:embed healthlake-cdc.yaml
var Template []byte
