package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/seawall-go/seawall"
	"github.com/seawall-go/seawall/ratelimit"
)

// limits says who may do how much. It is all that a service of your own needs
// of this example; the rest shows it at work.
func (c config) limits(observer seawall.Observer) (api, accounts *ratelimit.Limits, err error) {
	client := seawall.ClientIP{Trusted: c.trusted}
	classify, err := seawall.NewClassifier(seawall.ClassifierConfig{
		Routes: map[string]seawall.Class{
			"POST /login":    {Priority: seawall.Critical},
			"POST /payments": {Priority: seawall.Critical},
			"GET /partner/":  {Priority: seawall.Sheddable}, // a machine can come back
			"GET /healthz":   {Exempt: true},
		},
		User: seawall.Identity{Bearer: true, Address: client, Secret: c.secret},
	})
	if err != nil {
		return nil, nil, err
	}
	api, err = ratelimit.New(ratelimit.Config{
		Name: "api", Classify: classify, Observer: observer, DryRun: c.dryRun, Campaign: campaign(c.campaign),
		Policies: []ratelimit.Policy{
			// Who tries passwords uses many accounts from few addresses...
			{Name: "login-address", Key: ratelimit.ByClientIP(client), Match: isLogin,
				Rate: ratelimit.Per(60, time.Minute).WithBurst(10), Sharing: c.shared()},

			// A partner is known by its key, and has what its tier says. Keys that
			// nobody has issued do not count here: they could be made up for ever.
			{Name: "partner", Key: ratelimit.ByHeader(keyField), Match: isPartner,
				Rate: ratelimit.Per(60, time.Minute), RateFor: tier, Sharing: c.shared()},
			// What a contract says in requests a day has to be met to the last one.
			{Name: "partner-day", Key: ratelimit.ByHeader(keyField), Match: hasContract,
				Quota: ratelimit.Quota{N: 1000, Each: ratelimit.Day}, Sharing: c.exact()},

			// A user is a token. However fast the app reloads its feed, a quarter of
			// the burst is left for payments.
			{Name: "user", Key: ratelimit.ByUser(), Match: isApp,
				Rate: ratelimit.Per(120, time.Minute).WithBurst(20), Reserve: ratelimit.Reserve{0.25, 0.25, 0.25, 0}, Sharing: c.shared()},
			// Nobody has checked that token yet, and who makes one up for each
			// request is always a new user. So addresses have a limit, too: wide, as
			// a mobile carrier puts thousands of people behind one, and without a
			// store, as a flood is refused where it comes in.
			{Name: "address", Key: ratelimit.ByClientIP(client), Match: isApp,
				Rate: ratelimit.Per(3000, time.Minute)},

			// What the database behind this can take from one process. Half of the
			// burst is not for partners, and the last fifth only for logins and
			// payments. (Package shed finds out by itself what it can take.)
			{Name: "total", Rate: ratelimit.Per(2000, time.Second), Reserve: ratelimit.Reserve{0.5, 0.5, 0.2, 0}},
		},
	})
	if err != nil {
		return nil, nil, err
	}
	// ...or many addresses against one account. Its name is in the body, so this
	// limit stands further in, where the form has been read. Mind that a stranger
	// can use up somebody's attempts: leave another way in, such as a link by mail.
	accounts, err = ratelimit.New(ratelimit.Config{
		Name: "accounts", Classify: classify, Observer: observer, DryRun: c.dryRun,
		Policies: []ratelimit.Policy{
			{Name: "login-account", Key: ratelimit.ByFunc(account), Rate: ratelimit.Per(30, time.Hour).WithBurst(5), Sharing: c.shared()},
		},
	})
	return api, accounts, err
}

// shared makes a limit one of the whole fleet, by leases.
func (c config) shared() *ratelimit.Sharing {
	if c.store == nil {
		return nil
	}
	return &ratelimit.Sharing{Store: c.store, Nodes: c.nodes, Budget: c.budget, Prefix: "limits", Secret: c.secret}
}

// exact asks the store about each request: slower, and right to the last token.
func (c config) exact() *ratelimit.Sharing {
	s := c.shared()
	if s != nil {
		s.Exact = true
	}
	return s
}

// campaign is the plan for the evening of the post: less for each user, so that
// there is something for all of them. It is checked now, not at eight o'clock.
func campaign(from time.Time) []ratelimit.Change {
	if from.IsZero() {
		return nil
	}
	return []ratelimit.Change{
		{Policy: "user", From: from, Until: from.Add(2 * time.Hour), Rate: ratelimit.Per(40, time.Minute).WithBurst(12)},
	}
}

func isLogin(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/login" }

// isApp is everything but what a known partner asks for.
func isApp(r *http.Request) bool { return !isPartner(r) }

// account is the one a form names, written alike however it was typed.
func account(dst []byte, r *http.Request) []byte {
	return append(dst, strings.ToLower(strings.TrimSpace(r.PostForm.Get("account")))...)
}

const keyField = "X-Api-Key"

// partner is a customer with an API key. Yours are in a database: keep them in
// memory, this is asked for each request.
type partner struct {
	name     string
	rate     ratelimit.Rate
	contract bool // so many requests a day
}

var partners = map[string]partner{
	"demo-silver": {name: "Silver Ltd", rate: ratelimit.Per(60, time.Minute), contract: true},
	"demo-gold":   {name: "Gold Inc", rate: ratelimit.Per(6000, time.Minute)},
}

func partnerOf(r *http.Request) (partner, bool) {
	p, ok := partners[r.Header.Get(keyField)]
	return p, ok && strings.HasPrefix(r.URL.Path, "/partner/")
}

func isPartner(r *http.Request) bool {
	_, ok := partnerOf(r)
	return ok
}

func hasContract(r *http.Request) bool {
	p, ok := partnerOf(r)
	return ok && p.contract
}

func tier(r *http.Request) (ratelimit.Rate, bool) {
	p, ok := partnerOf(r)
	return p.rate, ok
}
