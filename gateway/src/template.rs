//! Reads a SAM `template.yaml` into the model of a project.
//!
//! Each part that it does not understand is told with its line: as a warning where the rest can be served, else as
//! the error.

mod apis;
mod conditions;
mod functions;
mod http;
mod identifiers;
mod integrations;
mod intrinsics;
mod loops;
mod parameters;
mod problem;
mod raw;
mod reader;
mod references;
#[cfg(test)]
mod tests;
mod vocabulary;
mod websocket;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::project::Project;
use apis::Apis;
use parameters::Parameters;
use problem::Problem;
use reader::{Reader, Resource};

/// The result of reading a template.
#[derive(Clone, Debug)]
pub struct Template {
    pub project: Project,
    /// `template.yaml:12: …`, in the order of the lines.
    pub warnings: Vec<String>,
}

/// Why a template cannot be served, with the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// What is given to a template from outside.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Over the defaults it declares.
    pub parameters: BTreeMap<String, String>,
    /// Names of variables that every function has anyway: what the template says of them does not matter.
    pub variables: BTreeSet<String>,
    /// Whether functions run elsewhere, whatever language they are in.
    pub elsewhere: bool,
}

/// Reads the template at `path`.
pub fn read(path: &Path, given: &Given) -> Result<Template, TemplateError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = std::fs::read_to_string(&path)
        .map_err(|error| TemplateError(format!("{} cannot be read: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    parse(&text, &name, folder, given)
}

/// As [`read`], from the text: `name` is what warnings call it, `folder` what its paths are relative to.
pub fn parse(text: &str, name: &str, folder: &Path, given: &Given) -> Result<Template, TemplateError> {
    let located = |problem: &Problem| format!("{name}:{}: {}", problem.line, problem.text);
    let (project, mut warnings) =
        parse_project(text, folder, given).map_err(|problem| TemplateError(located(&problem)))?;
    warnings.sort_by_key(|problem| problem.line);
    // Globals are merged into every resource, so a problem in them is found once for each.
    warnings.dedup();
    Ok(Template { project, warnings: warnings.iter().map(located).collect() })
}

fn parse_project(text: &str, folder: &Path, given: &Given) -> Result<(Project, Vec<Problem>), Problem> {
    let (root, mut warnings) = yaml::parse(text)?;
    let (parameters, doubts) = Parameters::read(&root, &given.parameters)?;
    warnings.extend(doubts);
    let project = loops::expand(root, &parameters).and_then(|root| {
        let (reader, resources) = Reader::open(&root, folder, &parameters, &given.variables)?;
        Ok(reader.read_project(&resources, given.elsewhere))
    });
    // Before all else that is wrong: it may be so for want of these.
    if let Some(problem) = parameters.missing() {
        return Err(problem);
    }
    let (project, found) = project?;
    warnings.extend(found);
    Ok((project, warnings))
}

impl Reader<'_> {
    fn read_project(mut self, resources: &[Resource<'_>], elsewhere: bool) -> (Project, Vec<Problem>) {
        let functions = self.read_functions(resources, elsewhere);
        if functions.is_empty() {
            self.warn(1, "the template has no function that runs here");
        }
        let mut apis = Apis::default();
        for resource in resources {
            self.check_properties(resource);
            match resource.kind {
                "AWS::Serverless::HttpApi" => self.read_http_api(resource, &mut apis),
                "AWS::Serverless::WebSocketApi" => self.read_websocket_api(resource, &mut apis),
                "AWS::ApiGatewayV2::Api" => self.read_raw_api(resource, &mut apis),
                "AWS::Serverless::Api" | "AWS::ApiGateway::RestApi" => {
                    self.warn(
                        resource.line,
                        format!("{}: REST APIs are not served, only HTTP and WebSocket APIs", resource.id),
                    );
                }
                "AWS::Lambda::Function" => {
                    self.warn(
                        resource.line,
                        format!("{}: only functions of type AWS::Serverless::Function run here", resource.id),
                    );
                }
                _ => self.check_type(resource),
            }
        }
        for resource in resources.iter().filter(|resource| functions.contains_key(resource.id)) {
            self.read_events(resource, &mut apis);
        }
        self.read_raw_routes(resources, &mut apis);
        let (http_api, websocket_api) = apis.choose(&functions, &mut self.warnings);
        (Project { functions, http_api, websocket_api }, self.warnings)
    }
}
