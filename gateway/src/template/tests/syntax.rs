//! YAML as SAM reads it.

use super::*;

#[test]
fn plain_scalars_are_those_of_yaml_1_1_and_quoted_and_tagged_ones_are_texts() {
    let values = values(
        "",
        "A: yes\nB: True\nC: 010\nD: '010'\nE: 0x10\nF: 1_000\nG: 1.10\nH: !Sub 010\nI: 2010-09-09\nJ: !!str no\n010: k",
    );
    let expected = [
        ("010", "k"),
        ("A", "true"),
        ("B", "true"),
        ("C", "8"),
        ("D", "010"),
        ("E", "16"),
        ("F", "1000"),
        ("G", "1.1"),
        ("H", "010"),
        ("I", "2010-09-09"),
        ("J", "no"),
    ];
    assert_eq!(pairs(&values), expected);
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts() {
    let (values, warnings) = variables("", "A: first\nB: b\nA: last");
    assert_eq!(pairs(&values), [("A", "last"), ("B", "b")]);
    assert_eq!(warnings, ["template.yaml:10: A stands here twice: line 8 is overruled"]);
}

#[test]
fn brackets_and_quotes_may_close_as_far_left_as_their_key() {
    let template = read_text(
        r#"
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {
      CodeUri: f,
      Environment: {
        Variables: {
          A: "one
two",
      B: [
      ] } },
      Events: {
        Get: { Type: HttpApi, Properties: {
          Path: /things, Method: GET
        }
        }
    }
    }
"#,
    );
    assert_eq!(template.warnings, ["template.yaml:11: B is left out: expected a text, found a list"]);
    assert_eq!(template.project.functions["F"].environment["A"], "one two");
    assert_eq!(template.project.http_api.expect("an API").routes[0].route_key, "GET /things");
    let broken = error("Resources:\n  A: {\n  B: [\n }");
    assert!(broken.contains(": this is not YAML: "), "{broken}");
}

#[test]
fn merge_keys_bring_in_what_a_map_does_not_say_itself() {
    let template = read_text(
        r#"
Metadata:
  Base: &base { Timeout: 7, MemorySize: 256, CodeUri: base }
  Other: &other { MemorySize: 512, Handler: other }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: { <<: *base, CodeUri: own }
  G:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: g
      <<: [*other, *base]
"#,
    );
    assert_eq!(template.warnings, Vec::<String>::new());
    let [f, g] = ["F", "G"].map(|name| template.project.functions[name].clone());
    assert_eq!((f.code_uri.as_path(), f.timeout.as_secs(), f.memory_mb), (Path::new("/project/own"), 7, 256));
    assert_eq!((g.code_uri.as_path(), g.timeout.as_secs(), g.memory_mb), (Path::new("/project/g"), 7, 512));
    assert_eq!(g.handler, "other");
    assert_eq!(error("Resources: { <<: 1 }"), "template.yaml:1: << merges maps, found a number or boolean");
}
