package httpcache

// rule is something the RFCs ask for. Tests switch each off and see a test of its
// name fail.
type rule uint8

const (
	ruleNoStore          rule = iota // RFC 9111, 5.2.2.5
	rulePrivate                      // 5.2.2.7
	ruleAuthorization                // 3.5
	ruleSetCookie                    // 7.3, stricter
	ruleStatus                       // 3
	ruleRequestNoStore               // 5.2.1.5
	ruleMustUnderstand               // 5.2.2.3
	ruleExplicit                     // 3: nothing is kept that does not say so
	ruleComplete                     // 3.3
	ruleHopByHop                     // 3.1
	ruleQualified                    // 5.2.2.4, 5.2.2.7: fields that are not stored
	ruleVary                         // 4.1
	ruleVaryStar                     // 4.1
	ruleNoCache                      // 5.2.2.4
	ruleMustRevalidate               // 5.2.2.2
	ruleProxyRevalidate              // 5.2.2.8
	ruleSharedRevalidate             // 5.2.2.10: s-maxage implies proxy-revalidate
	ruleSharedMaxAge                 // 5.2.2.10
	ruleMaxAge                       // 5.2.2.1
	ruleExpires                      // 5.3
	ruleConflicts                    // 4.2.1
	ruleHeuristic                    // 4.2.2
	ruleAge                          // 4.2.3, 5.1: what time has passed elsewhere
	ruleAgeField                     // 4, 5.1: what is reused says how old it is
	ruleDate                         // 4.2.3: apparent age
	ruleRequestMaxAge                // 5.2.1.1
	ruleRequestMaxStale              // 5.2.1.2
	ruleRequestMinFresh              // 5.2.1.3
	ruleRequestNoCache               // 5.2.1.4, 5.4
	ruleOnlyIfCached                 // 5.2.1.7
	ruleValidate                     // 4.3.1: validators of what is stored are sent
	ruleNotModified                  // 4.3.2: a client's condition is answered
	ruleUpdate                       // 3.2, 4.3.4
	ruleOtherValidator               // 4.3.4: a 304 about something else
	ruleHeadUpdate                   // 4.3.5
	ruleInvalidate                   // 4.4
	ruleInvalidateOthers             // 4.4: Location, Content-Location
	ruleSameOrigin                   // 4.4
	ruleOnlySuccess                  // 4.4: not after an error
	ruleRange                        // RFC 9110, 14.2
	ruleIfRange                      // 13.1.5
	ruleHead                         // 9.3.2
	ruleStaleRevalidate              // RFC 5861, 3
	ruleStaleError                   // RFC 5861, 4
	ruleCacheStatus                  // RFC 9211
	ruleTargeted                     // RFC 9213
	ruleBody                         // a request with a body is not answered by what is stored
	ruleKeyHeaders                   // fields a handler may build its answer from
	ruleOuterFields                  // what stood there before the handler is not part of its answer
	rules
)

// on says whether a rule is in force.
func (h *Cache) on(r rule) bool { return h.off&(1<<r) == 0 }
