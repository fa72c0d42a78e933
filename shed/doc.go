// Package shed lets a server take on as many requests at once as it can serve,
// the most important ones first, and tells the others at once to come back
// later. It needs no capacity to be configured: it finds it from outside, by
// watching how many requests are inside, how long they take and how many are
// finished in a second, and it follows when the capacity changes. As long as
// there is no overload it refuses nobody and makes nobody wait.
//
//	shedder := seawall.Must(shed.New(shed.Config{
//		Classify: seawall.Must(seawall.NewClassifier(seawall.ClassifierConfig{
//			Routes: map[string]seawall.Class{
//				"POST /login": {Priority: seawall.Critical},
//				"GET /feed":   {Priority: seawall.Sheddable},
//			},
//			User: seawall.Identity{Cookie: "session"},
//		})),
//	}))
//	http.ListenAndServe(":8080", shedder.Middleware(mux))
//
// # When to use it
//
// Where requests wait for something of which there is only so much, and you do
// not know how much: database connections, workers, a service behind yours.
// Without a bound they queue up, until all are served after their clients have
// given up. Put one Shedder in front of each such thing; most servers have one.
//
// Do not use it to give clients their fair shares (that is a rate limit), or
// where the limit is known, small and never changes:
// there a channel of that capacity does.
//
// # Begin with a dry run
//
// With Config.DryRun it decides, counts and reports, but refuses nobody. After a
// busy day Stats says what it would have done. Read its refusals as an upper
// bound: those it would have refused were served after all and took from the
// others, and those who would have had to wait for a moment count as refused.
//
// # Priorities and users
//
// A request's [seawall.Class] says how it is treated:
//
//   - Priority: Critical goes before Normal, Normal before Sheddable, Sheddable
//     before Background. Who finds no seat waits up to 200, 100 and 50 ms
//     (Background as Sheddable) for one that falls free, the best first; a full
//     queue turns away its worst, never a better newcomer. Critical is refused
//     only when there is more of it alone than capacity.
//   - User: within a priority users are served in an order that is drawn for each
//     of them and stays for Config.Sticky, five minutes. So those who are in stay
//     in, and finish what takes several requests, instead of everybody being
//     refused somewhere on the way; who has just been let in by a full house
//     goes first for the next eight requests within ten seconds. The order is
//     the same in all instances of a service if they share an Identity.Secret.
//     Requests of nobody known draw anew each time.
//   - Exempt requests are never refused, do not count and are not waited for:
//     health checks.
//   - Cost: a request takes that many seats, at most a quarter of the limit, so
//     that it can always be served. The limit, the queue and the throughput are
//     counted in seats. Who needs many and is next waits until they are free;
//     nobody behind it goes first meanwhile.
//   - Budget, and the deadline of the context: in a full house nobody waits for
//     longer than leaves time for the work, by the latency without a queue. Where
//     that is no time at all the answer is 504 at once. As long as there is room
//     nobody is refused for being in a hurry.
//   - Track: the handler may use [AddCost] when a request turns out heavier or
//     lighter than thought, and [Detach] when it becomes a stream.
//   - Route tells the Observer, and apart from one another what takes five
//     milliseconds and what takes a second: up to 31 routes are weighed, each by
//     what it usually takes.
//
// # Fair shares
//
// Within a priority nobody gets much more than others. How much each user has
// asked for lately is estimated, refused or not (a sketch of 128 KiB, halved
// every 20 seconds): the first request of a second counts 4, each further one 1.
// Who has more than 11, and more than twice what users have on average, stands
// behind the others of the priority while the house is full, but for the first
// three seconds after having been let in; with 1.75 times that, and four times
// the average of all users more, Critical requests stand behind the Normal ones,
// too. So a journey of a few quick requests is no abuse, and a script that comes
// every second is, after three or four.
//
// Tenants share by max-min fairness: who asks for no more than an equal part gets
// all of it, and what they leave is divided among the others. Of a tenant that
// asks for more, those of its users who go first by the order above are served as
// always, and the others stand behind.
//
// # Streams
//
// What lasts as long as its client likes must hold no seat: its duration says
// nothing about the backend, and a few hundred of them would fill the house for
// good. Upgraded connections (WebSocket, over HTTP/2 as well) and Server-Sent
// Events give their seats back when they begin, by themselves, if the client has
// asked for them with Upgrade or Accept; it is the handler's answer that counts,
// so that a header does not get anybody in beside the limit. For other streams,
// such as those a client reads from a POST, set Track and call Detach. Detached
// streams are counted (Stats.Detached) but not limited, and Close does not wait
// for them.
//
// # How it decides
//
// By Little's law the number inside is throughput times latency. While there
// are seats free the latency is constant, and above the capacity the throughput
// is. So the capacity is the throughput of a full house times the latency of
// one without a queue, the baseline. The first is counted whenever the house is
// full; the second is learned from calm traffic: a mean over all requests that
// were let in during the same 50 ms, at a concurrency known to do no harm.
//
// When more requests arrive than fit, the limit is computed so within a tenth
// of a second and then held, with a little room on top. Now and then it is tried
// whether more seats bring more throughput. A backend that becomes slower is
// told from one that becomes smaller, and keeps its limit; when requests stay
// inside for much longer than they did, it is tried whether fewer seats bring
// less. Each such trial is a sequential test (A. Wald, 1945), as short as chance
// allows, and its verdict is taken back if it does not help. A floor moves through
// the priorities, and through 128 cohorts of users within each, and whoever is
// below it is refused at the door, so that the queue stays short: what is
// refused hears so in milliseconds. Retry-After grows with the share that is
// refused, from one or two seconds to as many as 30, and is spread at random.
//
// The limit starts at 32, so that a process which starts into a crowd lets in
// no more than that before it knows anything; where nobody turns out to queue
// behind that, it doubles until somebody does. Each doubling, and each cut while
// little is known, is a test: throughput says whether it was right. In calm
// traffic it rises ahead of the need and is met by nobody.
//
// A server that computes queues in the scheduler, before any handler is called,
// and neither latency nor the number inside tells. So the run queue is looked at,
// too: when more than RunQueue goroutines wait for each processor, over a tenth of
// a second, the floor lets through only as much as keeps that queue short.
//
// Ideas that this stands on: Little's law (J. D. C. Little, 1961); cohorts of
// users within a priority (Uber's Cinnamon; before it WeChat's DAGOR);
// criticality, and refusing early and cheaply (Google's Site Reliability
// Engineering, "Handling Overload"). What it does not do is what most adaptive
// limiters do, after TCP Vegas and BBR: compare the latency with the lowest
// that was ever seen. The lowest of many noisy figures is far below the mean;
// the limit follows it down, and below the capacity nothing contradicts. In our
// simulations all laws of that kind starved the backend, while a comparison
// tolerant enough not to (a gradient) did not act, and took a backend that had
// become slower for one that was full.
//
// # Between services
//
// A refusal is cheapest where the request begins. Set Config.TellFloor to
// [seawall.FromPeers] of your own networks: answers to those callers then say
// where the floor is (Seawall-Floor), and a [Transport] over there keeps back
// what would be refused, by the same order of users if both have the same Sticky
// and Identity.Secret. To services that tell no floor the Transport applies
// adaptive throttling. With TransportConfig.Propagate it passes priority and
// remaining time on; ClassifierConfig.Peers says whom to believe that.
//
// # Defaults
//
//	Budget     1 s, or 10x usual   nobody is let in to stay for more than half of it
//	waits      200, 100, 50 ms     Critical, Normal, Sheddable and Background
//	limit      4 to 10,000         MinLimit, MaxLimit
//	Sticky     5 min
//	RunQueue   8                   goroutines waiting for each processor
//	SlowStart  off
//	queue      8 times the limit, plus 16
//
// # What it costs
//
// [Shedder.Acquire] says what a decision costs: tens of nanoseconds, without an
// allocation, admitted or refused. There is no goroutine, and no timer but those
// of who waits: the first request after 50 ms does the sums. Memory does not
// grow with users, routes or clients; what is kept about users and tenants are
// tables of 210 KiB, made when there is traffic. The middleware neither wraps the ResponseWriter nor sets a context
// value.
//
// # The answer, and who may repeat it
//
// A refusal is 503 with Retry-After and Seawall-Reason: overloaded, or draining
// after [Shedder.Close]. Nothing was carried out, so clients may repeat even a
// POST, but after that time only. Tell your load balancer so: a proxy that
// repeats a 503 at once at the next instance multiplies the crowd, and one that
// ejects an instance for its 503s moves the whole load to the others, which
// follow. Let it judge health by a path that is Exempt, and let it pass on
// answers with Seawall-Reason as they are.
//
// # Limits
//
// A decision is about concurrency and processors. Memory is not looked at. A
// capacity that shrinks while the house is full is found within two or three
// seconds, one that is lost at once with a burst may be taken for slowness; the
// Budget bounds what that costs. A backend that becomes slow while it is lightly
// loaded is served below its capacity for some seconds. A backend of hundreds of
// slots that is met by a crowd before anything is known of it takes a second to
// be found out. Give the seat back
// when the work is done: a handler that returns while its work goes on elsewhere
// makes its backend look faster than it is.
package shed
