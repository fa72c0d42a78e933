package cache_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/cache"
)

type article struct {
	ID    int64
	Title string
}

// query is what a result depends on.
type query struct {
	SQL string
	Arg int64
}

// Query caching for database/sql. A result has the tag of its table and one of
// each of its rows. (An entry has at most 64 tags: a longer list makes do with that
// of the table.)
func Example_sql() {
	db := seawall.Must(sql.Open("articles", "")) // a driver of these tests
	defer db.Close()
	results := seawall.Must(cache.New(cache.Config[query, []article]{
		Load: func(ctx context.Context, q query, m *cache.Meta) (all []article, err error) {
			rows, err := db.QueryContext(ctx, q.SQL, q.Arg)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			m.Tags = []string{"posts"}
			for rows.Next() {
				var a article
				if err := rows.Scan(&a.ID, &a.Title); err != nil {
					return nil, err
				}
				all, m.Tags = append(all, a), append(m.Tags, fmt.Sprint("posts:", a.ID))
			}
			return all, rows.Err()
		},
	}))
	defer results.Close(context.Background())

	ctx := context.Background()
	byID, newest := query{"SELECT id, title FROM posts WHERE id = ?", 7}, query{"SELECT id, title FROM posts ORDER BY id DESC LIMIT ?", 2}
	show := func(what string) {
		one, _ := results.Get(ctx, byID)
		list, _ := results.Get(ctx, newest)
		fmt.Println(what, one, list)
	}
	show("at first: ")
	show("cached:   ")

	// The database first, then the cache. A changed row: all results that it is in.
	db.ExecContext(ctx, "UPDATE posts SET title = ? WHERE id = ?", "seven", 7)
	results.InvalidateTags(ctx, "posts:7")
	show("one row:  ")

	// A new row may be in any result.
	db.ExecContext(ctx, "INSERT INTO posts VALUES (?, ?)", "nine", 9)
	results.InvalidateTags(ctx, "posts")
	show("the table:")
	// Output:
	// SELECT id, title FROM posts WHERE id = ? [7]
	// SELECT id, title FROM posts ORDER BY id DESC LIMIT ? [2]
	// at first:  [{7 the seventh}] [{8 the eighth} {7 the seventh}]
	// cached:    [{7 the seventh}] [{8 the eighth} {7 the seventh}]
	// SELECT id, title FROM posts WHERE id = ? [7]
	// SELECT id, title FROM posts ORDER BY id DESC LIMIT ? [2]
	// one row:   [{7 seven}] [{8 the eighth} {7 seven}]
	// SELECT id, title FROM posts WHERE id = ? [7]
	// SELECT id, title FROM posts ORDER BY id DESC LIMIT ? [2]
	// the table: [{7 seven}] [{9 nine} {8 the eighth}]
}
