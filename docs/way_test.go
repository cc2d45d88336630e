package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wayRow matches a row of a table of functions: `Type.method`, or `Function`, and its file.
var wayRow = regexp.MustCompile("^\\| `(\\w+\\.)?(\\w+)` \\| `([\\w/]+\\.go)` \\|")

// The way of a change in architecture.md is the code's: each function is declared in the
// file beside it, and named in the body of one before it in its part. A part has at most
// a dozen.
func TestWayOfAChange(t *testing.T) {
	text, err := os.ReadFile("architecture.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "### Function by function\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var named map[string]bool // by the functions of this part so far
	parts, rows := 0, 0
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "**") {
			parts, rows, named = parts+1, 0, nil
		}
		match := wayRow.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		receiver, name, file := strings.TrimSuffix(match[1], "."), match[2], match[3]
		body := bodyOf(t, file, receiver, name)
		if !assert.NotNil(t, body, "%s has no %s%s", file, match[1], name) {
			continue
		}
		if rows++; rows > 1 {
			assert.Contains(t, named, name, "no function before it in its part calls %s%s", match[1], name)
		}
		assert.LessOrEqual(t, rows, 12)
		if named == nil {
			named = make(map[string]bool)
		}
		ast.Inspect(body, func(node ast.Node) bool {
			if identifier, ok := node.(*ast.Ident); ok {
				named[identifier.Name] = true
			}
			return true
		})
	}
	require.Equal(t, 4, parts)
}

// bodyOf is the body of a function of the product, nil when its file does not declare it.
func bodyOf(t *testing.T, file, receiver, name string) *ast.BlockStmt {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Name.Name != name {
			continue
		}
		of := ""
		if function.Recv != nil {
			expression := function.Recv.List[0].Type
			if pointer, ok := expression.(*ast.StarExpr); ok {
				expression = pointer.X
			}
			of = expression.(*ast.Ident).Name
		}
		if of == receiver {
			return function.Body
		}
	}
	return nil
}
