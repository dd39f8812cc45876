//! Which route takes a request: the precedence of HTTP APIs.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::project::HttpRoute;

/// The routes of an API, ready to be matched.
#[derive(Debug)]
pub(super) struct Routes {
    /// Most specific first, so that the first match is the right one.
    patterns: Vec<Pattern>,
    fallback: Option<HttpRoute>,
}

#[derive(Debug)]
struct Pattern {
    /// `None` is `ANY`.
    method: Option<String>,
    segments: Vec<Segment>,
    route: HttpRoute,
}

/// In order of precedence.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    Greedy(String),
}

#[derive(Debug)]
pub(super) struct Match<'r> {
    pub(super) route: &'r HttpRoute,
    /// Decoded.
    pub(super) parameters: BTreeMap<&'r str, String>,
}

impl Routes {
    pub(super) fn new(routes: Vec<HttpRoute>) -> Self {
        let mut patterns = Vec::new();
        let mut fallback = None;
        for route in routes {
            match route.route_key.split_once(' ') {
                Some((method, path)) => {
                    let method = (method != "ANY").then(|| method.to_owned());
                    let segments = path.trim_start_matches('/').split('/').map(Segment::parse).collect();
                    patterns.push(Pattern { method, segments, route });
                }
                None => fallback = Some(route),
            }
        }
        patterns.sort_by_key(|pattern: &Pattern| {
            let greedy = pattern.segments.iter().any(|segment| matches!(segment, Segment::Greedy(_)));
            let kinds: Vec<u8> = pattern.segments.iter().map(Segment::rank).collect();
            (greedy, kinds, pattern.method.is_none())
        });
        Self { patterns, fallback }
    }

    /// `path` as it came, still encoded, without the stage.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        self.find_specific(method, path).or_else(|| {
            let route = self.fallback.as_ref()?;
            Some(Match { route, parameters: BTreeMap::new() })
        })
    }

    fn find_specific(&self, method: &str, path: &str) -> Option<Match<'_>> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        self.patterns
            .iter()
            .filter(|pattern| pattern.method.as_deref().is_none_or(|own| own == method))
            .find_map(|pattern| {
                let parameters = match_segments(&pattern.segments, &segments)?;
                Some(Match { route: &pattern.route, parameters })
            })
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Parameter(name.to_owned()),
            },
            None => Self::Literal(decode(text)),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

fn match_segments<'r>(pattern: &'r [Segment], path: &[&str]) -> Option<BTreeMap<&'r str, String>> {
    let mut parameters = BTreeMap::new();
    for (at, segment) in pattern.iter().enumerate() {
        let found = *path.get(at)?;
        match segment {
            Segment::Literal(text) => {
                if found != text && decode(found) != *text {
                    return None;
                }
            }
            Segment::Parameter(name) if !found.is_empty() => {
                parameters.insert(name.as_str(), decode(found));
            }
            // Below another segment it takes a slash at the end as well, but not the root.
            Segment::Greedy(name) if at > 0 || !found.is_empty() => {
                parameters.insert(name.as_str(), decode(&path[at..].join("/")));
                return Some(parameters);
            }
            Segment::Parameter(_) | Segment::Greedy(_) => return None,
        }
    }
    (pattern.len() == path.len()).then_some(parameters)
}

pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        let route = |key: &&str| HttpRoute {
            route_key: (*key).to_owned(),
            function: "F".to_owned(),
            authorizer: None,
            scopes: Vec::new(),
        };
        Routes::new(keys.iter().map(route).collect())
    }

    fn key<'r>(routes: &'r Routes, method: &str, path: &str) -> Option<&'r str> {
        routes.find(method, path).map(|found| found.route.route_key.as_str())
    }

    #[test]
    fn precedence_is_that_of_the_platforms_own_example() {
        let routes = routes(&[
            "$default",
            "ANY /{proxy+}",
            "GET /pets/{proxy+}",
            "GET /pets/dog/{id}",
            "GET /pets/dog/1",
        ]);
        assert_eq!(key(&routes, "GET", "/pets/dog/1"), Some("GET /pets/dog/1"));
        assert_eq!(key(&routes, "GET", "/pets/dog/2"), Some("GET /pets/dog/{id}"));
        assert_eq!(key(&routes, "GET", "/pets/cat/1"), Some("GET /pets/{proxy+}"));
        assert_eq!(key(&routes, "POST", "/test/5"), Some("ANY /{proxy+}"));
        assert_eq!(key(&routes, "GET", "/"), Some("$default"));
    }

    #[test]
    fn an_exact_method_wins_over_any() {
        let routes = routes(&["ANY /a", "GET /a", "ANY /b"]);
        assert_eq!(key(&routes, "GET", "/a"), Some("GET /a"));
        assert_eq!(key(&routes, "PUT", "/a"), Some("ANY /a"));
        assert_eq!(key(&routes, "PUT", "/b"), Some("ANY /b"));
    }

    #[test]
    fn nothing_matches_what_is_not_there() {
        let routes = routes(&["GET /messages", "GET /messages/{id}"]);
        for path in ["/", "/messages/", "/messages/1/2", "/message", "/Messages"] {
            assert_eq!(key(&routes, "GET", path), None, "{path}");
        }
        assert_eq!(key(&routes, "HEAD", "/messages"), None);
    }

    #[test]
    fn a_slash_at_the_end_is_a_segment_of_its_own() {
        let routes = routes(&["GET /metrics", "GET /metrics/{proxy+}", "GET /a/{id}", "ANY /{proxy+}"]);
        assert_eq!(key(&routes, "GET", "/metrics"), Some("GET /metrics"));
        let found = routes.find("GET", "/metrics/").expect("a match");
        assert_eq!(
            (found.route.route_key.as_str(), found.parameters["proxy"].as_str()),
            ("GET /metrics/{proxy+}", "")
        );
        assert_eq!(key(&routes, "GET", "/a/"), Some("ANY /{proxy+}"));
        assert_eq!(key(&routes, "GET", "/a/1/"), Some("ANY /{proxy+}"));
        assert_eq!(key(&routes, "GET", "/"), None);
    }

    #[test]
    fn parameters_are_decoded_after_the_path_is_split() {
        let routes = routes(&["GET /messages/{id}", "GET /files/{proxy+}", "GET /with space"]);
        let found = routes.find("GET", "/messages/a%2Fb%20%C3%A9%25").expect("a match");
        assert_eq!(found.parameters["id"], "a/b é%");
        let found = routes.find("GET", "/files/a/b%20c/").expect("a match");
        assert_eq!(found.parameters["proxy"], "a/b c/");
        assert_eq!(key(&routes, "GET", "/with%20space"), Some("GET /with space"));
        assert_eq!(key(&routes, "GET", "/%6dessages/1"), Some("GET /messages/{id}"));
    }
}
