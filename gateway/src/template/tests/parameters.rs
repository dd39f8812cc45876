//! Parameters: which are needed, what they may be, and what is kept elsewhere.

use std::collections::BTreeSet;

use super::*;

#[test]
fn a_parameter_that_does_not_exist_is_an_error() {
    let result = read_given("Parameters: {}\nResources: {}", &with_parameters(&[("Nope", "")]));
    assert_eq!(result.expect_err("bad").to_string(), "template.yaml:1: the template has no parameter Nope");
}

const NEEDING: &str = "
Parameters:
  Table: { Type: String }
  Stage: { Type: String }
  Unused: { Type: String }
  Policy: { Type: String }
Conditions: { IsLive: !Equals [!Ref Stage, live], IsSafe: !Equals [!Ref Unused, safe] }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      FunctionName: !Sub '${Policy}-f'
      Policies: [!Ref Policy]
      Environment: { Variables: { TABLE: !Ref Table, LIVE: !If [IsLive, a, b] } }
  Right: { Type: AWS::Lambda::Permission, Condition: IsSafe }
  Alarm: { Type: AWS::CloudWatch::Alarm, Condition: IsSafe, Properties: { AlarmName: !Ref Unused } }
";

#[test]
fn all_parameters_that_something_needs_are_told_at_once() {
    let expected = "template.yaml:3: parameters Stage, Table have no default: give them values \
                    (--parameter Stage=… --parameter Table=…)";
    assert_eq!(error(NEEDING), expected);
    let one = read_given(NEEDING, &with_parameters(&[("Stage", "live")])).expect_err("one is missing");
    let expected = "template.yaml:3: parameter Table has no default: give it a value (--parameter Table=…)";
    assert_eq!(one.to_string(), expected);
    let given =
        Given { variables: BTreeSet::from(["TABLE".to_owned()]), ..with_parameters(&[("Stage", "live")]) };
    let template = read_given(NEEDING, &given).expect("a variable that is given needs no parameter");
    assert_eq!(template.warnings, Vec::<String>::new());
    assert_eq!(
        template.project.functions["F"].environment,
        BTreeMap::from([("LIVE".to_owned(), "a".to_owned())])
    );
}

#[test]
fn a_parameter_keeps_within_its_bounds() {
    let check = |declaration: &str, value: &str| {
        let text = format!("Parameters:\n  P: {{ {declaration} }}\nResources: {{}}");
        let result = read_given(&text, &with_parameters(&[("P", value)]));
        result.err().map(|error| error.to_string().replace("template.yaml:2: parameter P must ", ""))
    };
    let cases = [
        ("Type: Number", "1", None),
        ("Type: Number", "x", Some("be a number, not \"x\"")),
        ("Type: Number, MinValue: 2", "2", None),
        ("Type: Number, MinValue: 2", "1.5", Some("be at least 2, not \"1.5\"")),
        ("Type: Number, MaxValue: '9'", "10", Some("be at most 9, not \"10\"")),
        ("Type: String, MinLength: 2", "ü", Some("have at least 2 characters, not \"ü\"")),
        ("Type: String, MaxLength: 2", "üüü", Some("have at most 2 characters, not \"üüü\"")),
        ("Type: String, MaxLength: 2", "üü", None),
        ("Type: String, AllowedValues: [a, b]", "b", None),
        ("Type: String, AllowedValues: [a, b]", "c", Some("be one of a, b, not \"c\"")),
        ("Type: String, AllowedValues: [yes, 1]", "true", None),
        ("Type: String, AllowedPattern: '[a-z]+|x1'", "abc", None),
        ("Type: String, AllowedPattern: '[a-z]+|x1'", "abc1", Some("match [a-z]+|x1, not \"abc1\"")),
        (
            "Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: small letters",
            "A",
            Some("match [a-z]+, not \"A\" (small letters)"),
        ),
        ("Type: CommaDelimitedList, AllowedPattern: '[a-z]+'", "a, b", None),
        ("Type: CommaDelimitedList, AllowedPattern: '[a-z]+'", "a,1", Some("match [a-z]+, not \"a,1\"")),
        ("Type: CommaDelimitedList, AllowedValues: [a, b]", "b,a", None),
        ("Type: CommaDelimitedList, AllowedValues: [a, b]", "b,c", Some("be one of a, b, not \"b,c\"")),
        ("Type: List<Number>, AllowedValues: [1, 2]", "1,2", None),
        ("Type: String, AllowedPattern: '(?!x).*'", "x", None),
    ];
    for (declaration, value, expected) in cases {
        assert_eq!(check(declaration, value).as_deref(), expected, "{declaration}");
    }
    let text = "Parameters:\n  P:\n    Default: x\n    AllowedPattern: '(?!x).*'\nResources: {}";
    let warnings = read_text(text).warnings;
    assert!(
        warnings
            .contains(&"template.yaml:4: parameter P: its AllowedPattern (?!x).* is not checked".to_owned()),
        "{warnings:?}"
    );
}

#[test]
fn values_that_are_kept_elsewhere_are_named_or_given() {
    let text = "
Parameters:
  Key: { Type: 'AWS::SSM::Parameter::Value<String>', Default: /my/key }
  Keys: { Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /my/keys }
  Name: { Type: 'AWS::SSM::Parameter::Name', Default: /my/name }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Environment:
        Variables:
          KEY: !Ref Key
          KEYS: !Join ['-', !Ref Keys]
          NAME: !Ref Name
          SECRET: '{{resolve:secretsmanager:mine:SecretString:password}}'
          URL: !Sub 'https://{{resolve:ssm:/my/${Name}:1}}/x'
";
    let template = read_text(text);
    let expected = [
        "template.yaml:13: KEY is left out: parameter Key is /my/key of Systems Manager and not known here: --parameter Key=…",
        "template.yaml:14: KEYS is left out: parameter Keys is /my/keys of Systems Manager and not known here: --parameter Keys=…",
        "template.yaml:16: SECRET is left out: {{resolve:secretsmanager:mine:SecretString:password}} is known only once deployed; --env SECRET=… gives a variable",
        "template.yaml:17: URL is left out: {{resolve:ssm:/my//my/name:1}} is known only once deployed; --env URL=… gives a variable",
    ];
    assert_eq!(template.warnings, expected);
    let given = Given {
        variables: ["SECRET", "URL"].map(str::to_owned).into(),
        ..with_parameters(&[("Key", "k"), ("Keys", "a, b")])
    };
    let template = read_given(text, &given).expect("good");
    assert_eq!(template.warnings, Vec::<String>::new());
    let environment: Vec<_> = template.project.functions["F"].environment.clone().into_iter().collect();
    assert_eq!(pairs(&environment), [("KEY", "k"), ("KEYS", "a-b"), ("NAME", "/my/name")]);
}
