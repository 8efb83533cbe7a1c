//! Which requests go wrong, how often, and in which way.

use std::time::Duration;

use regex::Regex;

use super::request::ProxiedRequest;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is answered with 429 and `Retry-After`, and goes no further.
    TooManyRequests(Duration),
    /// It is answered with this status and the `Status` object that belongs to it, and goes no
    /// further.
    Status(u16),
    /// It is answered with this text, and goes no further: what the API server would ask somebody
    /// for whom the harness has not, a kubelet for a log.
    Text(&'static str),
    /// A watch opens and says that its version is too old (`ERROR`, 410); anything else is answered
    /// with 410. It goes no further.
    Expired,
    /// The connection is closed before the request is passed on.
    DropBefore,
    /// The request is passed on, and the connection is closed in place of an answer: a write has
    /// happened and nobody knows.
    DropAfter,
    /// It is passed on this much later.
    Delay(Duration),
    /// The connection is closed after this many bytes of the body of the answer.
    Cut(usize),
    /// It is taken and never answered, nor passed on.
    Stall,
    /// The first answer to each path and query is kept, and repeated from then on: reads that lag
    /// behind. Writes and watches pass.
    Stale,
}

/// The name of a rule that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

/// Requests that go wrong in one way. Without more it is all of them, always.
#[derive(Clone, Debug)]
pub struct Rule {
    action: Action,
    verbs: Vec<String>,
    methods: Vec<String>,
    path: Option<String>,
    pattern: Option<Regex>,
    query: Option<String>,
    user_agent: Option<String>,
    user: Option<String>,
    skip: u64,
    every: u64,
    most: Option<u64>,
    chance: Option<(f64, u64)>,
}

impl Rule {
    /// A rule for all requests.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            verbs: Vec::new(),
            methods: Vec::new(),
            path: None,
            pattern: None,
            query: None,
            user_agent: None,
            user: None,
            skip: 0,
            every: 1,
            most: None,
            chance: None,
        }
    }

    /// Only this verb of the audit log (`list`, `watch`, `patch`, ...); several add up.
    pub fn verb(mut self, verb: &str) -> Self {
        self.verbs.push(verb.to_owned());
        self
    }

    /// Only this HTTP method; several add up.
    pub fn method(mut self, method: &str) -> Self {
        self.methods.push(method.to_owned());
        self
    }

    /// Only paths that contain this.
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Only paths that match this regular expression.
    pub fn pattern(mut self, pattern: Regex) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Only queries that contain this, for example `watch=true`.
    pub fn query(mut self, part: &str) -> Self {
        self.query = Some(part.to_owned());
        self
    }

    /// Only programs whose `User-Agent` contains this.
    pub fn user_agent(mut self, part: &str) -> Self {
        self.user_agent = Some(part.to_owned());
        self
    }

    /// Only requests as an impersonated user whose name contains this.
    pub fn user(mut self, part: &str) -> Self {
        self.user = Some(part.to_owned());
        self
    }

    /// Lets the first `count` requests that fit pass.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Hits `count` requests at most.
    pub fn first(mut self, count: u64) -> Self {
        self.most = Some(count);
        self
    }

    /// Hits every `count`-th request that fits; 0 counts as 1.
    pub fn every(mut self, count: u64) -> Self {
        self.every = count.max(1);
        self
    }

    /// Hits each request that fits with this probability; the same seed makes the same choices.
    pub fn chance(mut self, probability: f64, seed: u64) -> Self {
        self.chance = Some((probability, seed));
        self
    }

    fn fits(&self, request: &ProxiedRequest) -> bool {
        let among = |list: &[String], value: &str| {
            list.is_empty() || list.iter().any(|one| one.eq_ignore_ascii_case(value))
        };
        let within = |part: &Option<String>, value: &str| {
            part.as_deref().is_none_or(|part| value.contains(part))
        };
        among(&self.verbs, request.target.verb)
            && among(&self.methods, &request.method)
            && within(&self.path, &request.path)
            && within(&self.query, &request.query)
            && within(&self.user_agent, &request.user_agent)
            && within(&self.user, &request.user)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&request.path))
    }
}

/// The rules in force, oldest first.
#[derive(Debug, Default)]
pub(super) struct Rules {
    last: u64,
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    id: RuleId,
    rule: Rule,
    seen: u64,
    hits: u64,
}

/// What the rules say about one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How much later it is passed on.
    pub(super) delay: Duration,
    /// What else happens, by which rule.
    pub(super) action: Option<(RuleId, Action)>,
}

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        self.last += 1;
        let id = RuleId(self.last);
        self.active.push(Active {
            id,
            rule,
            seen: 0,
            hits: 0,
        });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) {
        self.active.retain(|active| active.id != id);
    }

    pub(super) fn clear(&mut self) {
        self.active.clear();
    }

    pub(super) fn hits(&self, id: RuleId) -> u64 {
        let found = self.active.iter().find(|active| active.id == id);
        found.map_or(0, |active| active.hits)
    }

    /// Judges a request, once: the counts move on.
    pub(super) fn judge(&mut self, request: &ProxiedRequest) -> Verdict {
        let mut verdict = Verdict::default();
        for active in &mut self.active {
            if !active.hit(request) {
                continue;
            }
            match active.rule.action {
                Action::Delay(delay) => verdict.delay += delay,
                action => {
                    verdict.action = Some((active.id, action));
                    break;
                }
            }
        }
        verdict
    }
}

impl Active {
    fn hit(&mut self, request: &ProxiedRequest) -> bool {
        let rule = &mut self.rule;
        if rule.most.is_some_and(|most| self.hits >= most) || !rule.fits(request) {
            return false;
        }
        // The later ones of a watch that lags behind, or a write, are not what is meant.
        let reads = ["get", "list"].contains(&request.target.verb);
        if rule.action == Action::Stale && !reads {
            return false;
        }
        self.seen += 1;
        if self.seen <= rule.skip || !(self.seen - rule.skip).is_multiple_of(rule.every) {
            return false;
        }
        if let Some((probability, state)) = &mut rule.chance
            && roll(state) >= *probability
        {
            return false;
        }
        self.hits += 1;
        true
    }
}

/// The next number of a sequence, at least 0 and below 1.
fn roll(state: &mut u64) -> f64 {
    // SplitMix64, as its authors published it into the public domain.
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str) -> ProxiedRequest {
        let builder = http::Request::builder().method(method).uri(uri);
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        ProxiedRequest::of(&parts)
    }

    fn pattern_of(rule: Rule, count: usize) -> String {
        let mut rules = Rules::default();
        rules.add(rule);
        let asked = request("GET", "/api/v1/pods");
        let hit = |_| rules.judge(&asked).action.is_some();
        let hits = (0..count).map(hit);
        hits.map(|hit| if hit { 'x' } else { '.' }).collect()
    }

    #[test]
    fn a_rule_hits_as_often_as_it_says() {
        let rule = || Rule::new(Action::Stall);
        assert_eq!(pattern_of(rule(), 4), "xxxx");
        assert_eq!(pattern_of(rule().first(2), 4), "xx..");
        assert_eq!(pattern_of(rule().every(2), 6), ".x.x.x");
        assert_eq!(pattern_of(rule().skip(2).first(1), 5), "..x..");
        assert_eq!(pattern_of(rule().every(3).first(1), 7), "..x....");
        let random = pattern_of(rule().chance(0.5, 7), 1000);
        assert_eq!(random, pattern_of(rule().chance(0.5, 7), 1000));
        assert_ne!(random, pattern_of(rule().chance(0.5, 8), 1000));
        let hits = random.matches('x').count();
        assert!((400..600).contains(&hits), "{hits} of 1000");
    }

    #[test]
    fn a_rule_meets_only_the_requests_that_it_names() {
        let met = |rule: Rule, request: &ProxiedRequest| {
            let mut rules = Rules::default();
            rules.add(rule);
            rules.judge(request).action.is_some()
        };
        let watch = request("GET", "/api/v1/namespaces/a/pods?watch=true");
        let write = request("PATCH", "/apis/apps/v1/namespaces/a/deployments/web");
        let rule = || Rule::new(Action::Stall);
        assert!(met(rule().verb("watch"), &watch) && !met(rule().verb("watch"), &write));
        assert!(met(rule().query("watch=true"), &watch));
        assert!(met(rule().path("/deployments/"), &write));
        assert!(!met(rule().path("/deployments/"), &watch));
        assert!(met(rule().method("patch"), &write));
        let pattern = Regex::new("/deployments/w[a-z]+$").unwrap();
        assert!(met(rule().pattern(pattern), &write));
        assert!(!met(rule().user("deployer"), &write));
        let stale = Rule::new(Action::Stale);
        assert!(!met(stale.clone(), &watch) && !met(stale, &write));
    }

    #[test]
    fn delays_add_up_and_the_oldest_other_rule_decides() {
        let mut rules = Rules::default();
        let second = Duration::from_secs(1);
        rules.add(Rule::new(Action::Delay(second)));
        let first = rules.add(Rule::new(Action::Status(503)).first(1));
        rules.add(Rule::new(Action::Delay(second)));
        let asked = request("GET", "/version");
        let verdict = rules.judge(&asked);
        assert_eq!(verdict.delay, second);
        assert_eq!(verdict.action, Some((first, Action::Status(503))));
        assert_eq!(rules.judge(&asked).delay, second * 2);
        assert_eq!(rules.hits(first), 1);
    }
}
