//! Words that mean something to SAM, or nothing to anybody.

use super::*;

#[test]
fn a_default_path_is_the_default_route_whatever_its_method() {
    let template = read_text(
        r#"
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: one } }
    Properties:
      CodeUri: .
      Events:
        All: { Type: HttpApi, Properties: { Path: $default, Method: GET } }
"#,
    );
    assert_eq!(template.warnings, Vec::<String>::new());
    assert_eq!(template.project.http_api.expect("an API").routes[0].route_key, "$default");
    let function = &template.project.functions["F"];
    assert_eq!((function.binary.as_deref(), function.program.as_str()), (Some("one"), "one"));
}

#[test]
fn an_integration_may_name_a_stage_variable_and_a_function_by_its_own_name() {
    let template = read_text(
        r#"
Resources:
  F: { Type: AWS::Serverless::Function, Properties: { CodeUri: f, FunctionName: my-function } }
  Api: { Type: AWS::ApiGatewayV2::Api, Properties: { ProtocolType: HTTP } }
  Stage: { Type: AWS::ApiGatewayV2::Stage, Properties: { ApiId: !Ref Api, StageName: live, StageVariables: { target: my-function } } }
  In:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      PayloadFormatVersion: 2.0
      IntegrationUri: !Sub 'arn:aws:apigateway:x:lambda:path/2015-03-31/functions/arn:aws:lambda:x:1:function:${!stageVariables.target}/invocations'
  Lost:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      PayloadFormatVersion: '2.0'
      IntegrationUri: 'arn:aws:lambda:x:1:function:${stageVariables.none}'
  Old:
    Type: AWS::ApiGatewayV2::Integration
    Properties: { ApiId: !Ref Api, IntegrationType: AWS_PROXY, PayloadFormatVersion: '1.0', IntegrationUri: !GetAtt F.Arn }
  Unsaid:
    Type: AWS::ApiGatewayV2::Integration
    Properties: { ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt F.Arn }
  Get: { Type: AWS::ApiGatewayV2::Route, Properties: { ApiId: !Ref Api, RouteKey: GET /x, Target: !Sub 'integrations/${In}' } }
"#,
    );
    let expected = [
        "template.yaml:19: Lost is left out: its stage has no variable none",
        "template.yaml:22: Old: payload format 1.0 is not emulated, events have 2.0 here: ask for PayloadFormatVersion '2.0'",
        "template.yaml:25: Unsaid: payload format 1.0 is not emulated, events have 2.0 here: ask for PayloadFormatVersion '2.0'",
    ];
    assert_eq!(template.warnings, expected);
    let routes = template.project.http_api.expect("an API").routes;
    assert_eq!((routes[0].route_key.as_str(), routes[0].function.as_str()), ("GET /x", "F"));
}

#[test]
fn route_keys_that_sam_refuses_are_left_out() {
    let template = read_text(
        r#"
Resources:
  F: { Type: AWS::Serverless::Function, Properties: { CodeUri: f } }
  Live:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.type
      Routes:
        $connect: { FunctionArn: !GetAtt F.Arn }
        endCall: { FunctionArn: !GetAtt F.Arn }
        end_call: { FunctionArn: !GetAtt F.Arn }
        $other: { FunctionArn: !GetAtt F.Arn }
"#,
    );
    let why = "is left out: SAM takes letters and digits alone: make it an AWS::ApiGatewayV2::Route";
    let expected = [format!("template.yaml:11: end_call {why}"), format!("template.yaml:12: $other {why}")];
    assert_eq!(template.warnings, expected);
    let routes = template.project.websocket_api.expect("an API").routes;
    assert_eq!(routes.keys().collect::<Vec<_>>(), ["$connect", "endCall"]);
}

#[test]
fn types_that_nobody_has_are_named() {
    let template = read_text(
        r#"
Resources:
  F: { Type: AWS::Serverless::Function, Properties: { CodeUri: f } }
  A: { Type: AWS::Serverles::Function }
  B: { Type: Serverless::Function }
  C: { Type: AWS::Lambda }
  D: { Type: aws::lambda::function }
  E: { Type: AWS::DynamoDB::Table }
  G: { Type: Custom::Thing }
  H: { Type: Some::Registry::Type }
  I: { Type: AWS::Lambda::Functon }
"#,
    );
    let form = "is left out: types are written AWS::SERVICE::RESOURCE";
    let mut warnings = template.warnings;
    warnings.retain(|warning| !warning.contains("has no route"));
    let expected = [
        "template.yaml:4: A: AWS::Serverles::Function is left out: AWS has no service of the name Serverles"
            .to_owned(),
        format!("template.yaml:5: B: Serverless::Function {form}"),
        format!("template.yaml:6: C: AWS::Lambda {form}"),
        format!("template.yaml:7: D: aws::lambda::function {form}"),
        "template.yaml:11: I: AWS::Lambda::Functon is left out: AWS::Lambda:: has nothing of that name"
            .to_owned(),
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn functions_that_run_elsewhere_may_be_of_any_kind() {
    let text = "
Resources:
  Node: { Type: 'AWS::Serverless::Function', Properties: { Runtime: nodejs22.x, CodeUri: chat } }
  Image: { Type: 'AWS::Serverless::Function', Properties: { PackageType: Image } }
  Inline: { Type: 'AWS::Serverless::Function', Properties: { Runtime: python3.13, InlineCode: 'pass' } }
";
    let read = |elsewhere| read_given(text, &Given { elsewhere, ..Given::default() }).expect("good");
    assert!(read(false).project.functions.is_empty());
    let names = read(true).project.functions.into_keys().collect::<Vec<_>>();
    assert_eq!(names, ["Image", "Inline", "Node"]);
}

#[test]
fn what_sam_refuses_of_an_http_api_is_told() {
    let template = read_text(
        r#"
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: https://a.b
      Auth: { DefaultAuthorizer: Gone, Authorizers: { Mine: { FunctionArn: x } } }
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Events:
        A: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /a, Method: GET, Auth: { Authorizer: Other } } }
        B: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /b, Method: GET, Auth: { Authorizer: Mine } } }
        C: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /c, Method: GET, Auth: { Authorizer: AWS_IAM } } }
        D: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /d } }
        E: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET } }
"#,
    );
    let expected = [
        "template.yaml:6: CorsConfiguration is read as an origin: a deployment refuses a text",
        "template.yaml:7: Api: authorizer Mine is not emulated, only JWT authorizers are",
        "template.yaml:7: Api: SAM refuses it, it has no DefaultAuthorizer Gone",
        "template.yaml:13: GET /a: SAM refuses it, Api has no authorizer Other",
        "template.yaml:16: F: SAM refuses an event with a Path and no Method",
        "template.yaml:17: F: SAM refuses an event with a Method and no Path",
    ];
    assert_eq!(template.warnings, expected);
}
