package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
	schema "go.temporal.io/server/schema/sqlite"
)

// memoryDatabase is a database of its own that ends with the process; the plugin lays its schema.
func memoryDatabase() *config.SQL {
	return &config.SQL{
		PluginName:        sqlite.PluginName,
		DatabaseName:      uuid.NewString(),
		ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
	}
}

// fileDatabase opens or creates the database in path.
//
// The write-ahead log with synchronous=NORMAL keeps every commit when the process is killed, and
// spares a disk flush for each; only a crash of the machine could lose the last of them.
func fileDatabase(path string) (*config.SQL, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolving the database's path: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("opening the database (create its folder first): %w", err)
	}
	db := &config.SQL{
		PluginName: sqlite.PluginName,
		// The plugin puts the name into a "file:" URI.
		DatabaseName: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(),
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "wal",
			"synchronous":  "normal",
			"busy_timeout": "10000", // milliseconds; a server that was just killed may still hold the file
		},
	}
	if err := setupSchema(db); err != nil {
		return nil, fmt.Errorf("setting up the database (delete the file when another release made it): %w", err)
	}
	return db, nil
}

// setupSchema lays the schema in one transaction, so that a process killed in the middle of its
// first start leaves an empty database and not half of one. The plugin has one connection, so
// the statements stay together.
func setupSchema(db *config.SQL) (err error) {
	admin, err := sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, db, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := admin.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := admin.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	tables, err := admin.ListTables(db.DatabaseName)
	if err == nil && len(tables) == 0 {
		err = schema.SetupSchemaOnDB(admin)
	}
	if err != nil {
		_ = admin.Exec("ROLLBACK") // the first error tells more
		return err
	}
	return admin.Exec("COMMIT")
}
