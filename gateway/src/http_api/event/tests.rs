use super::*;
use crate::http_api::routes::Routes;
use crate::project::HttpRoute;
use axum::http::{Request, Version};
use serde_json::{Value, json};

fn event(request: Request<()>, body: &'static [u8], identity: Option<&Identity>) -> Value {
    let route = HttpRoute {
        route_key: "ANY /live/m/{id}".to_owned(),
        function: "F".to_owned(),
        authorizer: None,
        scopes: Vec::new(),
    };
    let routes = Routes::new(vec![route]);
    let (parts, ()) = request.into_parts();
    let api = HttpApi {
        api_id: "abcdefghij".to_owned(),
        stage: "live".to_owned(),
        stage_variables: BTreeMap::from([("color".to_owned(), "blue".to_owned())]),
        cors: None,
        routes: Vec::new(),
        authorizers: BTreeMap::new(),
    };
    let bytes = build(&Source {
        api: &api,
        found: &routes.find(parts.method.as_str(), parts.uri.path()).expect("a route"),
        parts: &parts,
        body: &Bytes::from_static(body),
        identity,
        request_id: "JKJaXmPLvHcESHA=",
        peer: "127.0.0.1:5".parse().expect("an address"),
        port: 3000,
        now: DateTime::from_timestamp_millis(1_583_348_638_390).expect("a time"),
    });
    serde_json::from_slice(&bytes.expect("an event")).expect("JSON")
}

#[test]
fn every_field_is_there_and_none_that_the_platform_leaves_out() {
    let request = Request::put("/live/m/a%20b?x=1&x=2&y=%C3%A9+z&e")
        .header("Host", "api.localhost:3000")
        .header("Accept", "a")
        .header("Accept", "b")
        .header("Cookie", "one=1; two=2")
        .header("Cookie", "three=3")
        .header("Connection", "keep-alive")
        .header("X-Amzn-Trace-Id", "Root=1-5e5ff9de-abc")
        .header("User-Agent", "curl/8")
        .header("Content-Type", "application/json; charset=utf-8")
        .body(())
        .expect("a request");
    let identity = Identity {
        claims: BTreeMap::from([("sub".to_owned(), "alice".to_owned())]),
        scopes: Some(vec!["read".to_owned()]),
    };
    let expected = json!({
        "version": "2.0",
        "routeKey": "ANY /live/m/{id}",
        "rawPath": "/live/m/a b",
        "rawQueryString": "x=1&x=2&y=%C3%A9+z&e",
        "cookies": ["one=1", "two=2", "three=3"],
        "headers": {
            "host": "api.localhost:3000", "accept": "a,b", "user-agent": "curl/8",
            "content-type": "application/json; charset=utf-8", "content-length": "2",
            "x-amzn-trace-id": "Root=1-5e5ff9de-abc",
            "x-forwarded-for": "127.0.0.1", "x-forwarded-port": "3000", "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"x": "1,2", "y": "é z", "e": ""},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdefghij",
            "authorizer": {"jwt": {"claims": {"sub": "alice"}, "scopes": ["read"]}},
            "domainName": "api.localhost", "domainPrefix": "api",
            "http": {
                "method": "PUT", "path": "/live/m/a b", "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "curl/8",
            },
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "ANY /live/m/{id}", "stage": "live",
            "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64,
        },
        "body": "{}",
        "pathParameters": {"id": "a b"},
        "stageVariables": {"color": "blue"},
        "isBase64Encoded": false,
    });
    assert_eq!(event(request, b"{}", Some(&identity)), expected);

    let bare = event(Request::get("/live/m/1").body(()).expect("a request"), b"", None);
    let mut keys: Vec<_> = bare.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "headers",
        "isBase64Encoded",
        "pathParameters",
        "rawPath",
        "rawQueryString",
        "requestContext",
        "routeKey",
        "stageVariables",
        "version",
    ];
    assert_eq!(keys, expected);
    assert_eq!(bare["requestContext"].get("authorizer"), None);
}

#[test]
fn the_path_is_decoded_twice_and_cut_at_a_question_mark_between() {
    // As captured on AWS: hotsock/voker, vokerhttp/testdata/ingress-paths.json.
    for (sent, seen) in [
        ("/live/m/plain", "/live/m/plain"),
        ("/live/m/space%20value", "/live/m/space value"),
        ("/live/m/question%3Fvalue", "/live/m/question"),
        ("/live/m/hash%23value", "/live/m/hash#value"),
        ("/live/m/slash%2Fvalue", "/live/m/slash/value"),
        ("/live/m/%CE%BB-%E4%B8%96", "/live/m/λ-世"),
        ("/live/m/literal%252Fvalue", "/live/m/literal/value"),
        ("/live/m/literal%253Fvalue", "/live/m/literal?value"),
        ("/live/m/literal%2525value", "/live/m/literal%value"),
    ] {
        let event = event(Request::get(sent).body(()).expect("a request"), b"", None);
        assert_eq!(
            (&event["rawPath"], &event["requestContext"]["http"]["path"]),
            (&json!(seen), &json!(seen))
        );
    }
}

#[test]
fn the_host_is_the_one_that_the_target_names() {
    let http2 = Request::get("http://api.example:3000/live/m/1").version(Version::HTTP_2).body(());
    let event = event(http2.expect("a request"), b"", None);
    assert_eq!(event["headers"]["host"], "api.example:3000");
    assert_eq!(event["requestContext"]["domainName"], "api.example");
    assert_eq!(event["requestContext"]["domainPrefix"], "api");
    assert_eq!(event["headers"]["content-length"], "0");
}

#[test]
fn a_clients_own_forwarding_stays_before_what_the_platform_adds() {
    let request = Request::get("/live/m/1").header("X-Forwarded-For", "192.0.2.7");
    let request = request.header("X-Forwarded-Proto", "gopher").header("X-Forwarded-Port", "70");
    let event = event(request.body(()).expect("a request"), b"", None);
    assert_eq!(event["headers"]["x-forwarded-for"], "192.0.2.7, 127.0.0.1");
    assert_eq!(event["headers"]["x-forwarded-proto"], "http");
    assert_eq!(event["headers"]["x-forwarded-port"], "3000");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
}

#[test]
fn what_is_not_text_comes_as_base64() {
    let request =
        |kind: &str| Request::post("/live/m/1").header("Content-Type", kind).body(()).expect("a request");
    let body = |kind: &str, body: &'static [u8]| {
        let event = event(request(kind), body, None);
        (event["body"].as_str().unwrap_or_default().to_owned(), event["isBase64Encoded"] == true)
    };
    assert_eq!(body("image/png", b"abc"), ("YWJj".to_owned(), true));
    assert_eq!(body("application/x-www-form-urlencoded", b"a=b"), ("YT1i".to_owned(), true));
    assert_eq!(body("text/plain", b"abc"), ("abc".to_owned(), false));
    assert_eq!(body("application/xml", b"<a/>"), ("<a/>".to_owned(), false));
    assert_eq!(body("application/problem+json", b"{}"), ("e30=".to_owned(), true));
    assert_eq!(body("", b"{}"), ("e30=".to_owned(), true));
    // Bytes that are no UTF-8 fit into no JSON text, whatever their type claims.
    assert_eq!(body("text/plain", b"\xff"), ("/w==".to_owned(), true));
}
