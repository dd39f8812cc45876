//! A project that is built in a second: one function without any dependency, behind an HTTP and a WebSocket API.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

const MANIFEST: &str = r#"
[workspace]
resolver = "3"
members = ["tiny"]

[workspace.metadata.gateway.environment]
STORE = "${STORE_URL}"
"#;

const TEMPLATE: &str = r"
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  Tiny:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda }
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: tiny
      Timeout: 20
      Events:
        Everything: { Type: HttpApi, Properties: { Path: '/{proxy+}', Method: ANY } }
  Live:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: live
      RouteSelectionExpression: $request.body.action
      Routes:
        $default: { FunctionArn: !GetAtt Tiny.Arn, RouteResponseSelectionExpression: $default }
  LiveDefaultResponse:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: { ApiId: !Ref Live, RouteId: !Ref LiveDefaultRoute, RouteResponseKey: $default }
";

/// Polls the runtime API by hand and answers each event with one word; one that says `slow` in its path takes longer.
const FUNCTION: &str = r##"
use std::io::{Read, Write};

const WORD: &str = include_str!("word.txt");

fn main() {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    // A path with a token follows where the gateway cannot tell who asks.
    let (address, token) = api.trim_start_matches("http://").split_once('/').unwrap_or((&api, ""));
    let base = if token.is_empty() { String::new() } else { format!("/{token}") };
    let call = |request: String, body: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    loop {
        let event = call(format!("GET {base}/2018-06-01/runtime/invocation/next"), "");
        let line = event.lines().find(|line| line.to_lowercase().starts_with("lambda-runtime-aws-request-id")).unwrap();
        let id = line.split(": ").nth(1).unwrap().trim();
        if event.contains("/slow") {
            eprintln!("slow begins");
            std::thread::sleep(std::time::Duration::from_secs(4));
        }
        let answer = format!(r#"{{"statusCode":200,"body":"{}"}}"#, WORD.trim());
        call(format!("POST {base}/2018-06-01/runtime/invocation/{id}/response"), &answer);
    }
}
"##;

/// The project in a folder of its own.
#[derive(Debug)]
pub(crate) struct Tiny {
    folder: TempDir,
}

impl Tiny {
    /// With a function that answers `word`, and with settings that ask for a store if it is to have one.
    pub(crate) fn new(word: &str, store: bool) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        let manifest = if store { MANIFEST } else { MANIFEST.split("[workspace.metadata").next().unwrap() };
        project.write("Cargo.toml", manifest);
        project.write("template.yaml", TEMPLATE);
        project.write(
            "tiny/Cargo.toml",
            "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        project.write("tiny/src/main.rs", FUNCTION);
        project.write("tiny/src/word.txt", word);
        project
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn template(&self) -> PathBuf {
        self.folder().join("template.yaml")
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}
