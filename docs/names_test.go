package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documents are the pages that people read, relative to this folder.
func documents(t *testing.T) []string {
	t.Helper()
	pages := []string{"../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md", "../deploy/README.md"}
	for _, pattern := range []string{"*.md", "decisions/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	return slices.DeleteFunc(pages, func(page string) bool {
		_, err := os.Stat(page)
		return err != nil
	})
}

var (
	// testName matches a test or, in backquotes and with 's behind it, the package of those that follow.
	testName = regexp.MustCompile("`([a-z0-9]+)`'s? |`((?:Test|Fuzz|Benchmark)\\w+)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	code     = regexp.MustCompile("`([^`\n]+)`")
	path     = regexp.MustCompile(`^(\./)?(workflows|activities|worker|starter|internal|deploy|devstack|docs|tools)/[\w./*-]*$`)
)

// Every test that the documents name exists. The guarantees and the failures also
// name its package: a name without one is of devstack/e2e.
func TestNamedTestsExist(t *testing.T) {
	packages := testsByName(t)
	for _, page := range documents(t) {
		strict := page == "guarantees.md" || page == "failures.md"
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, cell := range strings.FieldsFunc(string(text), func(r rune) bool { return r == '|' || r == '\n' }) {
			pkg := "e2e"
			for _, match := range testName.FindAllStringSubmatch(cell, -1) {
				name := match[2]
				switch {
				case name == "":
					pkg = match[1]
				case strict:
					assert.Contains(t, packages[name], pkg, "%s names %s of %s", page, name, pkg)
				default:
					assert.Contains(t, packages, name, "%s names %s", page, name)
				}
			}
		}
	}
}

// testsByName are the names of the packages that have each test.
func testsByName(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	require.NoError(t, filepath.WalkDir("..", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range testFunc.FindAllSubmatch(text, -1) {
			name := string(match[1])
			found[name] = append(found[name], filepath.Base(filepath.Dir(file)))
		}
		return nil
	}))
	return found
}

// Every decision is in the list of decisions.
func TestDecisionsAreListed(t *testing.T) {
	list, err := os.ReadFile("decisions/README.md")
	require.NoError(t, err)
	pages, err := filepath.Glob("decisions/*.md")
	require.NoError(t, err)
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" {
			assert.Contains(t, string(list), "("+name+")")
		}
	}
}

// Every package of internal is in CONTRIBUTING.md's table of folders.
func TestFoldersAreListed(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	require.NoError(t, err)
	folders, err := os.ReadDir("../internal")
	require.NoError(t, err)
	for _, folder := range folders {
		assert.Contains(t, string(text), "`internal/"+folder.Name()+"`")
	}
}

// Every file and folder that the documents name exists.
func TestNamedPathsExist(t *testing.T) {
	for _, page := range documents(t) {
		if strings.HasSuffix(page, "CHANGELOG.md") {
			continue // it speaks of the past, too
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range code.FindAllStringSubmatch(string(text), -1) {
			for _, word := range strings.Fields(match[1]) {
				if !path.MatchString(word) || strings.HasSuffix(word, "...") {
					continue
				}
				files, err := filepath.Glob(filepath.Join("..", word))
				require.NoError(t, err)
				assert.NotEmpty(t, files, "%s names %s", page, word)
			}
		}
	}
}
