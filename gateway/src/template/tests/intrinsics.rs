//! Intrinsic functions, those of `AWS::LanguageExtensions` too.

use super::*;

const EXTENDED: &str = "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]\n";

#[test]
fn loops_are_written_out() {
    let template = read_text(
        r#"
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters: { Names: { Type: CommaDelimitedList, Default: 'users, my-orders' } }
Resources:
  Fn::ForEach::Functions:
    - Name
    - !Ref Names
    - Function&{Name}:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: functions/${Name}
          Environment: { Variables: { NAME: !Ref Name, SUB: !Sub 'x-${Name}' } }
          Events:
            Fn::ForEach::Methods:
              - Method
              - [GET, POST]
              - ${Method}: { Type: HttpApi, Properties: { Path: '/${Name}', Method: !Ref Method } }
"#,
    );
    assert_eq!(template.warnings, Vec::<String>::new());
    let functions = &template.project.functions;
    assert_eq!(functions.keys().collect::<Vec<_>>(), ["Functionmyorders", "Functionusers"]);
    let orders = &functions["Functionmyorders"];
    assert_eq!(orders.code_uri, Path::new("/project/functions/my-orders"));
    assert_eq!(
        (orders.environment["NAME"].as_str(), orders.environment["SUB"].as_str()),
        ("my-orders", "x-my-orders")
    );
    let routes = template.project.http_api.expect("an API").routes;
    let keys: Vec<_> = routes.iter().map(|route| route.route_key.as_str()).collect();
    assert_eq!(keys, ["GET /users", "POST /users", "GET /my-orders", "POST /my-orders"]);
}

#[test]
fn a_loop_that_makes_no_sense_is_an_error_with_its_line() {
    let of = |head: &str, rest: &str| error(&format!("{head}Resources:\n  Fn::ForEach::L: {rest}"));
    let plain = of("", "[X, [a], { '${X}': {} }]");
    assert_eq!(plain, "template.yaml:2: Fn::ForEach::L needs the Transform AWS::LanguageExtensions");
    for shape in ["[X, [a]]", "1", "[X, [a], b]", "[[X], [a], {}]"] {
        let expected = "template.yaml:3: Fn::ForEach::L needs a name, a list and a map";
        assert_eq!(of(EXTENDED, shape), expected, "{shape}");
    }
    let twice = of(EXTENDED, "[X, [a, b], { Same: { Type: T } }]");
    assert_eq!(twice, "template.yaml:3: Fn::ForEach::L makes Same more than once");
    let own = of(EXTENDED, "[X, [a], { '${X}': { Type: T } }]\n  a: { Type: T }");
    assert_eq!(own, "template.yaml:3: Fn::ForEach::L makes a once more");
    let list: String = (0..1000).map(|number| format!("n{number},")).collect();
    let inner = |body: &str| format!("{{ 'Fn::ForEach::I': [Y, [{list}], {body}] }}");
    let bomb = of(EXTENDED, &format!("[X, [{list}], {}]", inner("{ 'R${Y}${X}': { Type: T } }")));
    assert_eq!(bomb, "template.yaml:3: the template is too large");
}

#[test]
fn json_lengths_and_defaults_of_mappings_are_worked_out() {
    let head = "Transform: AWS::LanguageExtensions\nMappings: { M: { a: { b: found } } }\n";
    let lines = "A: !ToJsonString { Region: !Ref AWS::Region, N: 3, T: true, L: ['1', 1.5] }\n\
                 B: !Length [x, y, z]\n\
                 C: !FindInMap [M, a, none, { DefaultValue: !Sub '${AWS::Region}!' }]\n\
                 D: !FindInMap [M, a, b, { DefaultValue: other }]\n\
                 E: !Length { Ref: None }";
    let (found, warnings) = variables(head, lines);
    let expected = [
        ("A", r#"{"Region":"us-east-1","N":3,"T":true,"L":["1",1.5]}"#),
        ("B", "3"),
        ("C", "us-east-1!"),
        ("D", "found"),
    ];
    assert_eq!(pairs(&found), expected);
    assert_eq!(warnings, ["template.yaml:14: E is left out: nothing in the template is called None"]);
    let (found, warnings) =
        variables("", "A: !Length [x]\nB: !ToJsonString {}\nC: !FindInMap [M, a, b, { DefaultValue: x }]");
    assert_eq!(found, []);
    let needs = |line: usize, name: &str, what: &str| {
        format!(
            "template.yaml:{line}: {name} is left out: {what} needs the Transform AWS::LanguageExtensions"
        )
    };
    let expected =
        [needs(8, "A", "Length"), needs(9, "B", "ToJsonString"), needs(10, "C", "DefaultValue of FindInMap")];
    assert_eq!(warnings, expected);
}

#[test]
fn conditions_compare_texts() {
    let head = "Conditions: { Same: !Equals [true, 'true'], Eight: !Equals [010, '8'] }\n";
    let found = values(head, "A: !If [Same, yes, no]\nB: !If [Eight, x, y]");
    assert_eq!(pairs(&found), [("A", "true"), ("B", "x")]);
}

#[test]
fn attributes_that_nothing_has_are_named() {
    let (found, warnings) = variables(
        "",
        "A: !GetAtt F.Arn\nB: !GetAtt F.Name\nC: !GetAtt F\nD: { 'Fn::GetAtt': [F, SnapStartResponse.ApplyOn] }\nE: !Sub '${F.Arn}'\nG: !Sub '${F.Name}'",
    );
    assert_eq!(found.len(), 3, "{found:?}");
    let arns: Vec<_> = found.iter().filter(|(name, _)| name != "D").map(|(_, value)| value).collect();
    assert_eq!(arns, ["arn:aws:lambda:us-east-1:123456789012:function:F"; 2]);
    let expected = [
        "template.yaml:9: B is left out: F.Name: AWS::Serverless::Function has no attribute Name",
        "template.yaml:10: C is left out: GetAtt needs a resource and its attribute, found \"F\"",
        "template.yaml:13: G is left out: F.Name: AWS::Serverless::Function has no attribute Name",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn long_forms_and_nested_functions_come_to_the_same() {
    let template = read_text(
        r#"
Parameters:
  Names: { Type: CommaDelimitedList, Default: 'a, b,c' }
  Count: { Type: Number, Default: 3 }
Mappings: { Sizes: { us-east-1: { big: '7' } } }
Conditions:
  Many: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: Count }, '1'] }] }
  Both: !And [!Condition Many, { Condition: Many }, !Or [!Equals [a, b], !Equals [a, a]]]
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ./x/../f
      Environment:
        Variables:
          JOINED: { 'Fn::Join': ['-', { Ref: Names }] }
          SELECTED: !Select [1, !Split ['/', 'x/y/z']]
          CHOSEN: !If [Both, !Sub ['${A}${!literal}${AWS::Region}', { A: !Ref Count }], no]
          MAPPED: !FindInMap [Sizes, !Ref AWS::Region, big]
          ARN: { 'Fn::GetAtt': [F, Arn] }
          GONE: !Ref AWS::NoValue
          SELF: !Ref F
"#,
    );
    assert_eq!(template.warnings, Vec::<String>::new());
    let function = &template.project.functions["F"];
    assert_eq!(function.code_uri, Path::new("/project/f"));
    let expected = [
        ("ARN", "arn:aws:lambda:us-east-1:123456789012:function:F"),
        ("CHOSEN", "3${literal}us-east-1"),
        ("JOINED", "a-b-c"),
        ("MAPPED", "7"),
        ("SELECTED", "y"),
        ("SELF", "F"),
    ];
    let found: Vec<_> =
        function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
}
