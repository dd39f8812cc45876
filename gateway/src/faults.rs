//! Faults on demand: which part of the platform fails, and how often.
//!
//! One fault is one short text, given with `--fault` or to the admin API; docs/gateway.md has the table of them.
//!
//! A rate from 0 to 1 is spread evenly, not at random (0.5 is every second time, the first included), so tests
//! repeat. Setting a fault again replaces it; a rate or delay of 0 removes it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::aws;
use crate::project::WebSocketApi;

/// How long a reordered frame is held back.
const REORDER_DELAY: Duration = Duration::from_millis(100);
/// Longer would look like a hang.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The present faults; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
}

#[derive(Clone, Debug)]
struct Rule {
    fault: Fault,
    /// The part of the next occurrence that has added up; it happens whenever this reaches 1.
    progress: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Fault {
    PushStatus(u16, f64),
    PushDelay(Duration),
    DisconnectLost(f64),
    FramesDelay(Option<String>, Duration),
    FramesReorder(f64),
}

impl Faults {
    /// Reads faults as `--fault` gives them.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let faults = Self::default();
        for text in texts {
            faults.set(text)?;
        }
        Ok(faults)
    }

    /// Adds or replaces one fault.
    pub fn set(&self, text: &str) -> Result<(), String> {
        self.apply(text.parse()?);
        Ok(())
    }

    /// Adds or replaces several faults; if one of them makes no sense, none takes effect.
    pub(crate) fn set_all<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
        api: Option<&WebSocketApi>,
    ) -> Result<(), String> {
        let faults = texts.into_iter().map(str::parse).collect::<Result<Vec<Fault>, String>>()?;
        faults.iter().try_for_each(|fault| fault.check_route(api))?;
        faults.into_iter().for_each(|fault| self.apply(fault));
        Ok(())
    }

    /// Whether every route that a fault names is one that frames can take.
    pub(crate) fn check_routes(&self, api: Option<&WebSocketApi>) -> Result<(), String> {
        self.lock().iter().try_for_each(|rule| rule.fault.check_route(api))
    }

    fn apply(&self, fault: Fault) {
        let mut rules = self.lock();
        rules.retain(|rule| !rule.fault.is_about_the_same(&fault));
        if !fault.is_nothing() {
            // The first occurrence comes at once: a fault that was asked for should be seen.
            let progress = 1.0 - fault.rate();
            rules.push(Rule { fault, progress });
        }
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The present faults, each as the text that sets it.
    pub fn list(&self) -> Vec<String> {
        self.lock().iter().map(|rule| rule.fault.to_string()).collect()
    }

    /// The status this post to a connection is to be answered with.
    pub(crate) fn push_status(&self) -> Option<u16> {
        self.first(|rule| match rule.fault {
            Fault::PushStatus(status, _) => rule.happens().then_some(status),
            _ => None,
        })
    }

    pub(crate) fn push_delay(&self) -> Option<Duration> {
        self.first(|rule| match rule.fault {
            Fault::PushDelay(delay) => Some(delay),
            _ => None,
        })
    }

    pub(crate) fn loses_disconnect(&self) -> bool {
        let lost = self.first(|rule| match rule.fault {
            Fault::DisconnectLost(_) => rule.happens().then_some(()),
            _ => None,
        });
        lost.is_some()
    }

    /// How long this frame is to wait before it is dispatched.
    pub(crate) fn frame_delay(&self, route_key: &str) -> Option<Duration> {
        self.first(|rule| match &rule.fault {
            Fault::FramesDelay(None, delay) => Some(*delay),
            Fault::FramesDelay(Some(key), delay) if key == route_key => Some(*delay),
            Fault::FramesReorder(_) => rule.happens().then_some(REORDER_DELAY),
            _ => None,
        })
    }

    fn first<T>(&self, pick: impl FnMut(&mut Rule) -> Option<T>) -> Option<T> {
        self.lock().iter_mut().find_map(pick)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn happens(&mut self) -> bool {
        self.progress += self.fault.rate();
        // Ten times 0.1 is a little less than 1.
        let happens = self.progress > 1.0 - 1e-9;
        if happens {
            self.progress -= 1.0;
        }
        happens
    }
}

impl Fault {
    fn rate(&self) -> f64 {
        match self {
            Self::PushStatus(_, rate) | Self::DisconnectLost(rate) | Self::FramesReorder(rate) => *rate,
            Self::PushDelay(_) | Self::FramesDelay(..) => 1.0,
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::PushDelay(delay) | Self::FramesDelay(_, delay) => delay.is_zero(),
            _ => self.rate() == 0.0,
        }
    }

    fn check_route(&self, api: Option<&WebSocketApi>) -> Result<(), String> {
        let Self::FramesDelay(Some(route_key), _) = self else { return Ok(()) };
        let routes = api.into_iter().flat_map(|api| api.routes.keys().map(String::as_str));
        let routes: Vec<_> = routes.filter(|key| !matches!(*key, aws::CONNECT | aws::DISCONNECT)).collect();
        if routes.contains(&route_key.as_str()) {
            return Ok(());
        }
        let why = match routes.as_slice() {
            [] => "there is no route that frames take".to_owned(),
            routes => format!("frames take no route {route_key}; there are {}", routes.join(", ")),
        };
        Err(not_a_fault(&self.to_string(), &why))
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::PushStatus(one, _), Self::PushStatus(two, _)) => one == two,
            (Self::FramesDelay(one, _), Self::FramesDelay(two, _)) => one == two,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| not_a_fault(text, "it has no `=`"))?;
        let (what, how) = name.split_once(':').ok_or_else(|| not_a_fault(text, "it has no `:`"))?;
        let rate = || read_rate(value).map_err(|why| not_a_fault(text, &why));
        let delay = || read_delay(value).map_err(|why| not_a_fault(text, &why));
        match (what, how) {
            ("push", "delay") => Ok(Self::PushDelay(delay()?)),
            ("push", status) => match status.parse() {
                Ok(status @ 400..=599) => Ok(Self::PushStatus(status, rate()?)),
                _ => Err(not_a_fault(text, "a push fails with a status from 400 to 599")),
            },
            ("disconnect", "lost") => Ok(Self::DisconnectLost(rate()?)),
            ("frames", "delay") => Ok(Self::FramesDelay(None, delay()?)),
            ("frames", "reorder") => Ok(Self::FramesReorder(rate()?)),
            ("frames", how) => match how.rsplit_once(':') {
                Some((route_key, "delay")) => Ok(Self::FramesDelay(Some(route_key.to_owned()), delay()?)),
                _ => Err(not_a_fault(text, "frames know `delay`, `reorder` and `<route key>:delay`")),
            },
            _ => Err(not_a_fault(text, "known are `push`, `disconnect:lost` and `frames`")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PushStatus(status, rate) => write!(f, "push:{status}={rate}"),
            Self::PushDelay(delay) => write!(f, "push:delay={}ms", delay.as_millis()),
            Self::DisconnectLost(rate) => write!(f, "disconnect:lost={rate}"),
            Self::FramesDelay(None, delay) => write!(f, "frames:delay={}ms", delay.as_millis()),
            Self::FramesDelay(Some(key), delay) => write!(f, "frames:{key}:delay={}ms", delay.as_millis()),
            Self::FramesReorder(rate) => write!(f, "frames:reorder={rate}"),
        }
    }
}

fn read_rate(value: &str) -> Result<f64, String> {
    let rate = value.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| format!("`{value}` is no rate from 0 to 1"))
}

fn read_delay(value: &str) -> Result<Duration, String> {
    let millis = if let Some(millis) = value.strip_suffix("ms") {
        millis.parse().ok()
    } else if let Some(seconds) = value.strip_suffix('s') {
        seconds.parse().ok().and_then(|seconds: u64| seconds.checked_mul(1000))
    } else {
        value.parse().ok().filter(|millis| *millis == 0)
    };
    let delay = millis.map(Duration::from_millis).filter(|delay| *delay <= LONGEST_DELAY);
    delay.ok_or_else(|| {
        format!("`{value}` is no delay such as `50ms` or `2s`, up to {} s", LONGEST_DELAY.as_secs())
    })
}

fn not_a_fault(text: &str, why: &str) -> String {
    format!("`{text}` is not a fault: {why} (e.g. `push:410=0.1`, `frames:offer:delay=300ms`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_in_the_documentation_is_listed_as_it_was_set() {
        let (_, table) = include_str!("../../docs/gateway.md").split_once("| `--fault` |").expect("a table");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let texts: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        assert!(!texts.is_empty());
        assert_eq!(Faults::parse(texts.clone()).unwrap().list(), texts);
    }

    #[test]
    fn a_fault_set_again_is_replaced_and_zero_removes_it() {
        let faults = Faults::parse(["push:410=0.1", "push:429=1", "push:410=0.5"]).unwrap();
        assert_eq!(faults.list(), ["push:429=1", "push:410=0.5"]);
        faults.set("push:429=0").unwrap();
        faults.set("push:delay=0").unwrap();
        assert_eq!(faults.list(), ["push:410=0.5"]);
    }

    #[test]
    fn a_rate_is_kept_exactly_and_starts_at_once() {
        let faults = Faults::parse(["push:410=0.1"]).unwrap();
        let statuses: Vec<_> = (0..100).map(|_| faults.push_status()).collect();
        assert_eq!(statuses[0], Some(410));
        assert_eq!(statuses.iter().flatten().count(), 10);
    }

    #[test]
    fn only_frames_of_the_named_route_are_delayed() {
        let faults = Faults::parse(["frames:offer:delay=300ms"]).unwrap();
        assert_eq!(faults.frame_delay("offer"), Some(Duration::from_millis(300)));
        assert_eq!(faults.frame_delay("answer"), None);
    }

    #[test]
    fn what_is_no_fault_is_refused_with_a_reason() {
        let nonsense =
            ["", "push", "push:410", "push:200=1", "push:410=2", "push:410=x", "push:delay=5", "frames:x=1"];
        for text in nonsense {
            let why = Faults::parse([text]).unwrap_err();
            assert!(why.contains("is not a fault"), "{text}: {why}");
        }
        assert!(Faults::parse(["push:delay=61s"]).is_err());
        assert!(Faults::parse(["push:410=NaN"]).is_err());
    }
}
