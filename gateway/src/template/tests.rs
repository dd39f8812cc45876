//! Whole templates, and what is made of them.

mod intrinsics;
mod parameters;
mod syntax;
mod words;

use super::*;
use crate::project::Integration;

fn read_text(text: &str) -> Template {
    read_given(text, &Given::default()).expect("the template is good")
}

fn error(text: &str) -> String {
    read_given(text, &Given::default()).expect_err("it is bad").to_string()
}

fn read_given(text: &str, given: &Given) -> Result<Template, TemplateError> {
    parse(text, "template.yaml", Path::new("/project"), given)
}

fn with_parameters(parameters: &[(&str, &str)]) -> Given {
    let parameters = parameters.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Given { parameters: parameters.collect(), ..Given::default() }
}

/// The variables of the one function of a template that has these, each on a line of its own from line 8 on, after a
/// head of the template's own lines.
fn variables(head: &str, lines: &str) -> (Vec<(String, String)>, Vec<String>) {
    let lines: String = lines.lines().map(|line| format!("          {line}\n")).collect();
    let text = format!(
        "{head}Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      \
         Environment:\n        Variables:\n{lines}"
    );
    let template = read_text(&text);
    (template.project.functions["F"].environment.clone().into_iter().collect(), template.warnings)
}

/// As [`variables`], of a template without warnings.
fn values(head: &str, lines: &str) -> Vec<(String, String)> {
    let (values, warnings) = variables(head, lines);
    assert_eq!(warnings, Vec::<String>::new());
    values
}

fn pairs(values: &[(String, String)]) -> Vec<(&str, &str)> {
    values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_skeleton_is_understood_whole() {
    let Template { project, warnings } =
        read_text(include_str!("../../tests/fixtures/templates/skeleton.yaml"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(project.functions.keys().collect::<Vec<_>>(), ["Connect", "CreateNote", "Default", "Relay"]);
    let create = &project.functions["CreateNote"];
    assert_eq!(create.code_uri, Path::new("/project/functions/create-note"));
    assert_eq!((create.timeout.as_secs(), create.memory_mb), (10, 256));
    assert_eq!(create.environment["REDIS_URL"], "rediss://Cache.Endpoint.Address.invalid:6379");

    let http = project.http_api.expect("an HTTP API");
    assert_eq!(http.stage, "$default");
    let [route] = http.routes.as_slice() else { panic!("one route: {:?}", http.routes) };
    assert_eq!((route.route_key.as_str(), route.function.as_str()), ("POST /notes", "CreateNote"));
    assert_eq!(route.authorizer.as_deref(), Some("Jwt"));
    let jwt = &http.authorizers["Jwt"];
    assert_eq!(jwt.issuer, "https://cognito-idp.us-east-1.amazonaws.com/UserPool");
    assert!(jwt.needs_stand_in, "there is no such pool before it is deployed");
    assert_eq!(http.authorizers["Jwt"].audience, ["UserPoolClient"]);

    let websocket = project.websocket_api.expect("a WebSocket API");
    assert_eq!(
        (websocket.stage.as_str(), websocket.route_selection.expression()),
        ("live", "$request.body.type")
    );
    let two_way: Vec<_> =
        websocket.routes.iter().filter(|(_, route)| route.two_way).map(|(key, _)| key).collect();
    assert_eq!(two_way, ["$default", "ping"]);
    assert!(
        matches!(&websocket.routes["leave_room"].integration, Integration::Lambda(name) if name == "Relay")
    );
    let Integration::Mock { response } = &websocket.routes["ping"].integration else { panic!("a MOCK") };
    assert_eq!(response.as_deref(), Some(r#"{"type":"pong"}"#));
    let Integration::Mock { response: None } = &websocket.routes["new_note"].integration else {
        panic!("a MOCK")
    };
    assert_eq!(websocket.routes.len(), 8);
}

#[test]
fn a_websocket_api_whose_authorization_cannot_be_emulated_is_closed() {
    let api = "Resources:
  F: { Type: 'AWS::Serverless::Function', Properties: { CodeUri: f } }
  Api: { Type: 'AWS::ApiGatewayV2::Api', Properties: { ProtocolType: WEBSOCKET } }
  In:
    Type: AWS::ApiGatewayV2::Integration
    Properties: { ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt F.Arn }
  Away:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: { ApiId: !Ref Api, AuthorizerType: REQUEST, AuthorizerUri: 'arn:aws:lambda:x:1:function:elsewhere' }
  Say:
    Type: AWS::ApiGatewayV2::Route
    Properties: { ApiId: !Ref Api, RouteKey: say, Target: !Sub 'integrations/${In}' }
";
    let connect = |rest: &str| {
        let route = "  Connect:\n    Type: AWS::ApiGatewayV2::Route\n    Properties: { ApiId: !Ref Api, RouteKey: $connect, ";
        let Template { project, warnings } = read_text(&format!("{api}{route}{rest} }}\n"));
        (project.websocket_api.expect("an API").closed, warnings)
    };
    let target = "Target: !Sub 'integrations/${In}'";
    assert_eq!(connect(target).0, None);
    assert_eq!(connect(&format!("{target}, AuthorizationType: NONE")).0, None);
    for guarded in [
        format!("{target}, AuthorizationType: AWS_IAM"),
        format!("{target}, AuthorizationType: CUSTOM, AuthorizerId: !Ref Nothing"),
        format!("{target}, AuthorizationType: CUSTOM, AuthorizerId: !Ref Away"),
        "Target: integrations/none, AuthorizationType: AWS_IAM".to_owned(),
    ] {
        let (closed, warnings) = connect(&guarded);
        assert!(closed.is_some(), "{guarded}");
        assert!(warnings.iter().any(|warning| warning.contains("$connect")), "{guarded}: {warnings:?}");
    }
}

#[test]
fn the_template_in_the_documentation_works_as_it_stands() {
    let (_, page) = include_str!("../../../docs/gateway.md").split_once("```yaml\n").expect("a template");
    let (template, _) = page.split_once("```").expect("its end");
    let Template { project, warnings } = read_text(template);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(project.http_api.expect("an HTTP API").routes[0].route_key, "ANY /{proxy+}");
    let routes = project.websocket_api.expect("a WebSocket API").routes;
    assert!(routes.len() == 3 && routes["$default"].two_way, "{routes:?}");
}

#[test]
fn parameters_win_over_defaults_and_turn_conditions() {
    let given = with_parameters(&[
        ("RedisUrl", "redis://elsewhere"),
        ("JwtIssuer", "https://issuer.example"),
        ("SubnetIds", "a, b"),
    ]);
    let text = include_str!("../../tests/fixtures/templates/skeleton.yaml");
    let project = read_given(text, &given).expect("good").project;
    assert_eq!(project.functions["Connect"].environment["REDIS_URL"], "redis://elsewhere");
    let jwt = &project.http_api.expect("one").authorizers["Jwt"];
    assert_eq!(jwt.issuer, "https://issuer.example");
    assert!(!jwt.needs_stand_in);
}

#[test]
fn http_events_make_routes_with_sams_defaults() {
    let template = read_text(
        r#"
Globals:
  Function: { Timeout: 7, Environment: { Variables: { SHARED: a, OWN: b } } }
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageName: live
      CorsConfiguration: { AllowOrigins: ['https://*.example.com'], AllowMethods: [GET], MaxAge: 60, AllowCredentials: true }
      Auth:
        DefaultAuthorizer: Jwt
        Authorizers:
          Jwt: { AuthorizationScopes: [read], JwtConfiguration: { issuer: 'https://i', audience: [a] } }
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Environment: { Variables: { OWN: c } }
      Events:
        Any: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: '/a/{proxy+}', Method: any } }
        Open: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /b, Method: get, Auth: { Authorizer: NONE } } }
        Scoped: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /c, Method: PUT, Auth: { AuthorizationScopes: [write] } } }
"#,
    );
    assert_eq!(template.warnings, Vec::<String>::new());
    let environment = &template.project.functions["F"].environment;
    assert_eq!((environment["SHARED"].as_str(), environment["OWN"].as_str()), ("a", "c"));
    let api = template.project.http_api.expect("an API");
    assert_eq!(api.stage, "live");
    let cors = api.cors.expect("CORS");
    assert_eq!((cors.max_age_seconds, cors.allow_credentials), (Some(60), true));
    let routes: Vec<_> = api
        .routes
        .iter()
        .map(|route| (route.route_key.as_str(), route.authorizer.as_deref(), route.scopes.join(" ")))
        .collect();
    let expected = [
        ("ANY /a/{proxy+}", Some("Jwt"), "read".to_owned()),
        ("GET /b", None, String::new()),
        ("PUT /c", Some("Jwt"), "write".to_owned()),
    ];
    assert_eq!(routes, expected);
}

#[test]
fn an_event_without_an_api_gets_the_implicit_one_and_without_a_path_the_default_route() {
    let template = read_text(
        "Globals:\n  HttpApi: { CorsConfiguration: true }\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: f\n      Events:\n        All: { Type: HttpApi }\n",
    );
    let api = template.project.http_api.expect("an API");
    assert_eq!(api.routes[0].route_key, "$default");
    assert_eq!(api.cors.expect("the globals' CORS").allow_origins, ["*"]);
}

#[test]
fn raw_apis_are_read_with_authorizers_and_stages() {
    let template = read_text(
        r#"
Resources:
  Gate: { Type: AWS::Serverless::Function, Properties: { CodeUri: gate } }
  Work: { Type: AWS::Serverless::Function, Properties: { CodeUri: work } }
  Socket: { Type: AWS::ApiGatewayV2::Api, Properties: { Name: s, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action } }
  SocketStage: { Type: AWS::ApiGatewayV2::Stage, Properties: { ApiId: !Ref Socket, StageName: prod } }
  Guard: { Type: AWS::ApiGatewayV2::Authorizer, Properties: { ApiId: !Ref Socket, Name: guard, AuthorizerType: REQUEST, AuthorizerUri: !Sub 'arn:x:lambda:path/2015-03-31/functions/${Gate.Arn}/invocations', IdentitySource: [route.request.querystring.token] } }
  WorkIntegration: { Type: AWS::ApiGatewayV2::Integration, Properties: { ApiId: !Ref Socket, IntegrationType: AWS_PROXY, IntegrationUri: !Sub 'arn:x:lambda:path/2015-03-31/functions/${Work.Arn}/invocations' } }
  ConnectRoute: { Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Socket, RouteKey: $connect, AuthorizationType: CUSTOM, AuthorizerId: !Ref Guard, Target: !Join [/, [integrations, !Ref WorkIntegration]] } }
"#,
    );
    assert_eq!(template.warnings, Vec::<String>::new());
    let api = template.project.websocket_api.expect("an API");
    assert_eq!(api.stage, "prod");
    let authorizer = api.routes["$connect"].authorizer.as_ref().expect("guarded");
    assert_eq!((authorizer.name.as_str(), authorizer.function.as_str()), ("guard", "Gate"));
    assert_eq!(authorizer.identity_sources, ["route.request.querystring.token"]);
}

#[test]
fn what_is_not_understood_is_named_with_its_line_and_skipped() {
    let Template { project, warnings } = read_text(include_str!("../../tests/fixtures/templates/mean.yaml"));
    assert_eq!(
        warnings,
        include_str!("../../tests/fixtures/templates/mean.warnings").lines().collect::<Vec<_>>()
    );
    assert_eq!(project.functions.keys().collect::<Vec<_>>(), ["Good", "Slips"]);
    assert_eq!(
        project.functions["Good"].environment,
        BTreeMap::from([("KEPT".to_owned(), "true".to_owned())])
    );
    let routes = project.http_api.expect("an API").routes;
    assert_eq!(
        routes.iter().map(|route| route.route_key.as_str()).collect::<Vec<_>>(),
        ["GET /good", "ANY /odd", "ANY /auth"]
    );
    let routes = project.websocket_api.expect("an API").routes;
    assert_eq!(routes.keys().collect::<Vec<_>>(), ["$default", "lone"]);
}

#[test]
fn what_cannot_be_served_is_an_error_with_its_line() {
    assert_eq!(error(""), "template.yaml:1: the template is empty");
    assert_eq!(error("a: 1"), "template.yaml:1: the template has no Resources");
    let broken = error("Resources:\n  A: [1\nB: 2");
    assert!(broken.starts_with("template.yaml:3: this is not YAML: "), "{broken}");
    assert_eq!(
        error(
            "Conditions:\n  A: !Condition B\n  B: !Not [!Condition A]\nResources:\n  R: { Type: 'AWS::Serverless::Function', Condition: A }"
        ),
        "template.yaml:3: condition A needs itself"
    );
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]";
    assert_eq!(error(bomb), "template.yaml:6: the template is too large");
    assert_eq!(error(&"[".repeat(210)), "template.yaml:1: this is nested too deeply");
}
