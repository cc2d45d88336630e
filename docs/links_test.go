package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	linkPattern    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// Every link of the documents to a file or a heading of ours leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, match := range linkPattern.FindAllStringSubmatch(string(text), -1) {
			link := match[1]
			if strings.Contains(link, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			target := document
			if file != "" {
				target = filepath.Join(filepath.Dir(document), file)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", document, link)
			if anchor != "" {
				require.Contains(t, anchors(t, target), anchor, "%s links to %s", document, link)
			}
		}
	}
}

// anchors are the ids that GitHub gives the headings of a document.
func anchors(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	var ids []string
	for _, match := range headingPattern.FindAllStringSubmatch(string(text), -1) {
		id := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			default:
				return -1
			}
		}, strings.ToLower(match[1]))
		ids = append(ids, id)
	}
	return ids
}
