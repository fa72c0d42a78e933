package cache_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// articles is a database of one table that knows the statements of Example_sql,
// and says which queries it is asked.
type articles map[int64]string

func init() { //nolint:gochecknoinits // as drivers do
	sql.Register("articles", articles{7: "the seventh", 8: "the eighth"})
}

func (d articles) Open(string) (driver.Conn, error) { return articlesConn{d}, nil }

type articlesConn struct{ db articles }

var errSQL = errors.New("articles: not a statement of the example")

func (articlesConn) Prepare(string) (driver.Stmt, error) { return nil, errSQL }
func (articlesConn) Begin() (driver.Tx, error)           { return nil, errSQL }
func (articlesConn) Close() error                        { return nil }

func (c articlesConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	n, ok := args[0].Value.(int64)
	if !ok {
		return nil, errSQL
	}
	fmt.Printf("%s [%d]\n", query, n)
	found := &articlesRows{db: c.db}
	switch {
	case strings.Contains(query, "WHERE id = ?"):
		found.left = []int64{n}
	case strings.Contains(query, "LIMIT ?"):
		ids := slices.Sorted(maps.Keys(c.db))
		slices.Reverse(ids)
		found.left = ids[:n]
	default:
		return nil, errSQL
	}
	return found, nil
}

func (c articlesConn) ExecContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	title, isText := args[0].Value.(string)
	id, isNumber := args[1].Value.(int64)
	if !isText || !isNumber {
		return nil, errSQL
	}
	c.db[id] = title
	return driver.RowsAffected(1), nil
}

type articlesRows struct {
	db   articles
	left []int64
}

func (*articlesRows) Columns() []string { return []string{"id", "title"} }
func (*articlesRows) Close() error      { return nil }

func (r *articlesRows) Next(to []driver.Value) error {
	if len(r.left) == 0 {
		return io.EOF
	}
	to[0], to[1] = r.left[0], r.db[r.left[0]]
	r.left = r.left[1:]
	return nil
}
