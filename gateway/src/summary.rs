//! The summary that is printed once everything runs: where everything is, and a line to try.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gateway::project::{Integration, Project};
use gateway::server::{Gateway, RunningStore};

/// Emphasis for a terminal, nothing for a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colored: bool,
}

impl Style {
    fn bold(self, text: &str) -> String {
        if self.colored { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        if self.colored { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }
}

pub(crate) fn describe(gateway: &Gateway, remote: Option<&str>, style: Style) -> String {
    let project = gateway.project();
    let port = gateway.port();
    let mut text = String::from("\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {} {value}", style.bold(&format!("{name:<13}")));
    };
    if let Some(api) = &project.http_api {
        line("HTTP", &format!("http://localhost:{port}{}", api.stage_path()));
    }
    if project.websocket_api.is_some() {
        line("WebSocket", &format!("ws://localhost:{port}"));
        line("@connections", &format!("http://localhost:{port}/@connections/{{connection id}}"));
    }
    for host in gateway.hosts() {
        line("Also at", &format!("{host}, port {port}"));
    }
    for issuer in issuers(gateway) {
        line("Tokens", &issuer);
    }
    if gateway.page().is_some() {
        line("Page", &format!("http://localhost:{port}/"));
    }
    match gateway.store() {
        Some(RunningStore::Given(url)) => line("Store", &format!("{} (REDIS_URL)", without_password(url))),
        Some(RunningStore::Own(store)) => {
            line("Store", &format!("{} ({})", store.url(), store.program().origin))
        }
        None => {}
    }
    if let Some(port) = gateway.admin_port() {
        line("Admin", &format!("http://localhost:{port}/_gateway/faults"));
    }
    let faults = gateway.faults().list();
    if !faults.is_empty() {
        line("Faults", &faults.join(", "));
    }
    if let Some(url) = remote {
        line("Functions", &format!("invoked at {url}"));
    }
    text.push('\n');
    text.push_str(&describe_routes(project, style));
    if remote.is_some() {
        text.push_str(&describe_environment(gateway, style));
    }
    text.push('\n');
    for (what, command) in examples(gateway) {
        let _ = writeln!(text, "  {what}{}", style.bold(&command));
    }
    let _ = writeln!(text, "  {}", style.dim("Ctrl-C stops everything."));
    text
}

fn describe_routes(project: &Project, style: Style) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    if let Some(api) = &project.http_api {
        rows.extend(api.routes.iter().map(|route| {
            let key = match route.route_key.split_once(' ') {
                Some((method, path)) => format!("{method:<6} {path}"),
                None => route.route_key.clone(),
            };
            (key, route.function.clone())
        }));
    }
    if let Some(api) = &project.websocket_api {
        let mut by_target: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (key, route) in &api.routes {
            let target = match &route.integration {
                Integration::Lambda(function) => function.clone(),
                Integration::Mock { response: Some(response) } => format!("MOCK {response}"),
                Integration::Mock { response: None } => "MOCK, silent".to_owned(),
            };
            by_target.entry(target).or_default().push(key);
        }
        rows.extend(
            by_target.into_iter().map(|(target, keys)| (format!("WS     {}", keys.join(", ")), target)),
        );
    }
    let width = rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default();
    rows.iter().fold(String::new(), |mut text, (key, target)| {
        let _ = writeln!(text, "  {key:<width$}  {}", style.dim(target));
        text
    })
}

/// The variables that functions must be given which are started elsewhere.
fn describe_environment(gateway: &Gateway, style: Style) -> String {
    let mut text = format!("\n  {}\n", style.bold("The functions must be started with"));
    for (name, value) in gateway.environment_elsewhere() {
        let _ = writeln!(text, "  export {name}='{}'", value.replace('\'', r"'\''"));
    }
    text
}

/// The issuers whose tokens are accepted, if tokens are needed.
fn issuers(gateway: &Gateway) -> BTreeSet<String> {
    let api = gateway.project().http_api.as_ref().filter(|_| gateway.enforces_authorizers());
    let authorizers = api.into_iter().flat_map(|api| api.authorizers.values());
    let describe = |url: &str| match gateway.issuer().filter(|issuer| issuer.url() == url) {
        Some(issuer) => {
            format!("{} (development issuer: signs anybody in)", issuer.token_endpoint())
        }
        None => format!("from {url}"),
    };
    authorizers.map(|authorizer| describe(&authorizer.issuer)).collect()
}

/// Commands to try, each with its label.
fn examples(gateway: &Gateway) -> Vec<(&'static str, String)> {
    let (project, port) = (gateway.project(), gateway.port());
    let first = example(project, port, gateway.enforces_authorizers());
    let mut lines = Vec::new();
    if let Some(issuer) = gateway.issuer() {
        let sign_in =
            format!("TOKEN=$(curl -s -H 'accept: text/plain' -d sub=alice {})", issuer.token_endpoint());
        lines.push(("Sign in  ", sign_in));
    }
    lines.extend(first.map(|command| (if lines.is_empty() { "Try " } else { "Try      " }, command)));
    if gateway.enforces_authorizers() {
        let fill = |text: &String| {
            text.replace("${ENDPOINT}", &format!("http://localhost:{port}"))
                .replace("${WEBSOCKET}", &format!("ws://localhost:{port}"))
        };
        lines.extend(gateway.signed_in_examples().iter().map(|text| ("         ", fill(text))));
    }
    lines
}

/// A request for some route, with the token it asks for.
fn example(project: &Project, port: u16, enforced: bool) -> Option<String> {
    let api = project.http_api.as_ref()?;
    let simple = |wanted: &str| {
        api.routes.iter().find_map(|route| {
            let path = route.route_key.strip_prefix(wanted)?.strip_prefix(' ')?;
            (!path.contains('{')).then_some((path, route.authorizer.as_ref()))
        })
    };
    let (method, (path, authorizer)) = simple("GET")
        .or_else(|| simple("ANY"))
        .map(|found| ("", found))
        .or_else(|| Some(("-X POST -H 'content-type: application/json' -d '{}' ", simple("POST")?)))?;
    let header = authorizer.filter(|_| enforced).and_then(|name| {
        let header = api.authorizers.get(name)?.identity_source.strip_prefix("$request.header.")?;
        Some(format!("-H \"{}: Bearer $TOKEN\" ", header.to_lowercase()))
    });
    let header = header.unwrap_or_default();
    Some(format!("curl {method}{header}http://localhost:{port}{}{path}", api.stage_path()))
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::template;

    #[test]
    fn the_line_to_try_comes_from_the_template() {
        let read = |routes: &str| {
            let text = format!(
                "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Events:\n{routes}"
            );
            template::parse(&text, "t", std::path::Path::new("/"), &template::Given::default())
                .expect("good")
                .project
        };
        let event = |name: &str, method: &str, path: &str| {
            format!(
                "        {name}: {{ Type: HttpApi, Properties: {{ Method: {method}, Path: '{path}' }} }}\n"
            )
        };
        let project = read(&(event("A", "POST", "/things") + &event("B", "GET", "/things/{id}")));
        let expected =
            "curl -X POST -H 'content-type: application/json' -d '{}' http://localhost:3000/things";
        assert_eq!(example(&project, 3000, true).as_deref(), Some(expected));
        let project = read(&(event("A", "POST", "/things") + &event("B", "GET", "/things")));
        assert_eq!(example(&project, 3000, false).as_deref(), Some("curl http://localhost:3000/things"));
    }

    #[test]
    fn the_line_to_try_holds_a_token_where_one_is_asked_for() {
        let text = "
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Jwt
        Authorizers: { Jwt: { JwtConfiguration: { issuer: 'http://i', audience: [a] } } }
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Events: { A: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /things } } }
";
        let template = template::parse(text, "t", std::path::Path::new("/"), &template::Given::default());
        let project = template.expect("good").project;
        let plain = "curl http://localhost:3000/things";
        assert_eq!(example(&project, 3000, false).as_deref(), Some(plain));
        let signed_in = "curl -H \"authorization: Bearer $TOKEN\" http://localhost:3000/things";
        assert_eq!(example(&project, 3000, true).as_deref(), Some(signed_in));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("redis://me:secret@host:1"), "redis://…@host:1");
        assert_eq!(without_password("redis://host:1"), "redis://host:1");
    }
}
