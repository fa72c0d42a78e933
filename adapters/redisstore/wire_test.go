package redisstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// fake answers as a Redis that says what the test wants.
type fake struct {
	mu    sync.Mutex
	wg    sync.WaitGroup
	reply func(conn int, command string) string
	dials int
	seen  []string // the scripts' commands
}

func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	conn := f.dials
	f.wg.Go(func() {
		defer ours.Close()
		for in := bufio.NewReader(ours); ; {
			command, err := readCommand(in)
			if err != nil {
				return
			}
			answer := "-ERR unknown command\r\n"
			if strings.HasPrefix(command, "eval") {
				f.mu.Lock()
				f.seen = append(f.seen, command)
				answer = f.reply(conn, command)
				f.mu.Unlock()
			}
			if _, err := io.WriteString(ours, answer); err != nil {
				return
			}
		}
	})
	return theirs, nil
}

// readCommand returns its first word.
func readCommand(in *bufio.Reader) (first string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	words, err := strconv.Atoi(strings.Trim(line, "*\r\n"))
	if err != nil {
		return "", err
	}
	for i := range words {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		size, err := strconv.Atoi(strings.Trim(line, "$\r\n"))
		if err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return "", err
		}
		if i == 0 {
			first = strings.ToLower(string(word[:size]))
		}
	}
	return first, nil
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func (f *fake) store(t *testing.T) *Store {
	t.Helper()
	c := redis.NewUniversalClient(Tune(&redis.UniversalOptions{Dialer: f.dial}))
	t.Cleanup(func() {
		c.Close()
		f.wg.Wait()
	})
	return seawall.Must(New(Config{Client: c}))
}

func TestAnswersThatAreErrors(t *testing.T) {
	for _, tc := range []struct{ name, reply, want string }{
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", "LOADING "},
		{"oom", "-OOM command not allowed when used memory > 'maxmemory'.\r\n", "OOM "},
		{"masterdown", "-MASTERDOWN Link with MASTER is down\r\n", "MASTERDOWN "},
		{"busy", "-BUSY Redis is busy running a script.\r\n", "BUSY "},
		{"noauth", "-NOAUTH Authentication required.\r\n", "NOAUTH "},
		{"nil", "$-1\r\n", ""},
		{"number", ":5\r\n", ""},
		{"array", "*2\r\n:1\r\n:2\r\n", ""},
		{"empty", bulk(""), ""},
		{"words", bulk("a b c d"), ""},
		{"short", bulk("1 2 3"), ""},
		{"negative", bulk("1 -2 3 "), ""},
		{"no protocol", "hello\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fake{reply: func(int, string) string { return tc.reply }}
			got, err := f.store(t).TakeUpTo(t.Context(), ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1})
			if err == nil || got != (ratelimit.RemoteTaken{}) || !strings.HasPrefix(err.Error(), "seawall/redisstore: "+tc.want) {
				t.Fatalf("%+v, %v", got, err)
			}
			var answer redis.Error
			if tc.want != "" && !errors.As(err, &answer) {
				t.Errorf("it does not wrap what Redis said: %v", err)
			}
			if len(f.seen) != 1 {
				t.Errorf("sent %q", f.seen)
			}
		})
	}
}

// TestNoScript: the script is sent again at once.
func TestNoScript(t *testing.T) {
	f := &fake{reply: func(_ int, command string) string {
		if command == "evalsha" {
			return "-NOSCRIPT No matching script. Please use EVAL.\r\n"
		}
		return bulk("1 9 0 5 6.5")
	}}
	got, err := f.store(t).TakeUpTo(t.Context(), ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1})
	if err != nil || got.Got != 1 || got.Left != 9 || got.State != "5 6.5" || fmt.Sprint(f.seen) != "[evalsha eval]" {
		t.Errorf("%+v, %v, %q", got, err, f.seen)
	}
}

// TestUnlimited: what has no limit needs no store.
func TestUnlimited(t *testing.T) {
	f := &fake{reply: func(int, string) string { return "-ERR not now\r\n" }}
	s := f.store(t)
	for _, limit := range []rate.Limit{rate.Inf, 1e11} {
		got := must(t, s, ratelimit.RemoteTake{Key: "b", Rate: ratelimit.Rate{Limit: limit, Burst: 9}, UpTo: 9, Least: 1, Want: 3})
		if got != (ratelimit.RemoteTaken{Got: 3, Left: 9}) || f.dials != 0 {
			t.Errorf("%v: %+v, %d connections", limit, got, f.dials)
		}
	}
}

// TestReadOnly: the connections of a pool that are to a former master are all
// dropped by one call, which then reaches the new one; where there is none, it
// gives up.
func TestReadOnly(t *testing.T) {
	for _, text := range []string{
		"-READONLY You can't write against a read only replica. script: 123, on @user_script:1.\r\n",
		"-ERR Error running script (call to f_123): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.\r\n", // Redis 6
	} {
		const stale = 5
		demoted, fresh := false, 0
		var open sync.WaitGroup // until all connections are in use at once
		open.Add(stale)
		f := &fake{}
		f.reply = func(conn int, _ string) string {
			switch {
			case !demoted:
				f.mu.Unlock()
				open.Done()
				open.Wait()
				f.mu.Lock()
			case conn <= stale || fresh == 0:
				return text
			}
			return bulk("1 9 0 5 6.5")
		}
		s := f.store(t)
		ask := ratelimit.RemoteTake{Key: "b", Rate: slow, UpTo: 10, Least: 1, Want: 1}
		var wg sync.WaitGroup
		for range stale {
			wg.Go(func() { must(t, s, ask) })
		}
		wg.Wait()
		f.mu.Lock()
		demoted, fresh, f.seen = true, 1, nil
		f.mu.Unlock()
		if got := must(t, s, ask); got.Got != 1 || len(f.seen) != stale+1 || f.dials != stale+1 {
			t.Errorf("%+v after %d commands on %d connections", got, len(f.seen), f.dials)
		}
		f.mu.Lock()
		fresh, f.seen = 0, nil
		f.mu.Unlock()
		for range 2 { // each has one connection that is dropped, or none, and dials
			if _, err := s.TakeUpTo(t.Context(), ask); !redis.IsReadOnlyError(err) {
				t.Errorf("where there is no master: %v", err)
			}
		}
		if len(f.seen) != 4 {
			t.Errorf("sent %q", f.seen)
		}
	}
}

// FuzzParse: whatever is answered, it is an error or within its bounds.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"1 9 0 1795340460 123456.333333333", "0 0 86400000000 ", "4 6 0 4", "", " ", "1", "1 2", "1 2 3", "1 2 3 ", "-1 2 3 x", "1 -2 3 x", "1 2 -3 x",
		"9223372036854775807 9223372036854775807 9223372036854775807 x", "9223372036854775808 1 1 x", "1e3 1 1 x", "inf nan 1 x", "+1 0x1 1 x", "1  2 3 x",
		"1 2 3 " + strings.Repeat("x", maxState+1), "\x00 \xff 1 x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		got, err := parseTaken(reply)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "seawall/redisstore: ") || len(err.Error()) > 512 || got != (ratelimit.RemoteTaken{}) {
				t.Errorf("%q: %+v, %v", reply, got, err)
			}
			return
		}
		if got.Got < 0 || got.Left < 0 || got.RetryAfter < 0 || len(got.State) > maxState || !strings.HasSuffix(reply, " "+got.State) {
			t.Errorf("%q: %+v", reply, got)
		}
	})
}

func TestParse(t *testing.T) {
	got, err := parseTaken("3 4 5 6 7.8")
	if want := (ratelimit.RemoteTaken{Got: 3, Left: 4, RetryAfter: 5000, State: "6 7.8"}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got, err := parseTaken("0 0 9223372036854775807 "); err != nil || got.RetryAfter != math.MaxInt64/1000*1000 {
		t.Errorf("%+v, %v", got, err)
	}
}

// tripCounter counts what is sent and waited for, but not what a new connection
// begins with.
type tripCounter struct {
	off   bool
	trips int
}

func (c *tripCounter) stopped() { c.off = true }

func (c *tripCounter) count(cmd redis.Cmder) {
	switch cmd.Name() {
	case "hello", "client", "select", "auth":
	default:
		if !c.off {
			c.trips++
		}
	}
}

func (c *tripCounter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *tripCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.count(cmd)
		return next(ctx, cmd)
	}
}

func (c *tripCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.count(cmds[0])
		return next(ctx, cmds)
	}
}
