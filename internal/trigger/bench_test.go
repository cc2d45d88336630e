package trigger

import (
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkParse reads messages of some forms.
func BenchmarkParse(b *testing.B) {
	files, err := filepath.Glob(filepath.Join("testdata", "samples", "cloudtrail-[bcp]*.json"))
	if err != nil || len(files) == 0 {
		b.Fatal("no samples", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(file), func(b *testing.B) {
			ours := scope()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				Parse(body, ours)
			}
		})
	}
}
