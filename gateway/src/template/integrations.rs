//! `AWS::ApiGatewayV2::Integration`: the function behind a route, or a fixed answer.

use std::collections::BTreeMap;

use super::apis::Apis;
use super::reader::{Reader, Resource};
use crate::project::Integration;

impl Reader<'_> {
    pub(super) fn read_integrations(
        &mut self,
        resources: &[Resource<'_>],
        apis: &mut Apis,
    ) -> BTreeMap<String, Integration> {
        let mut integrations = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource.kind == "AWS::ApiGatewayV2::Integration")
        {
            let properties = &resource.properties;
            let integration = match self.text(properties, "IntegrationType").as_deref() {
                Some("AWS_PROXY") => {
                    let Some(uri) = self.text(properties, "IntegrationUri") else { continue };
                    let api = self.text(properties, "ApiId").unwrap_or_default();
                    if apis.http(&api).is_some() {
                        self.check_payload_format(resource);
                    }
                    let uri = match fill_in(&uri, apis.stage_variables(&api)) {
                        Ok(uri) => uri,
                        Err(variable) => {
                            let why = format!("its stage has no variable {variable}");
                            self.warn(
                                properties.line_of("IntegrationUri"),
                                format!("{} is left out: {why}", resource.id),
                            );
                            continue;
                        }
                    };
                    Integration::Lambda(self.function_in(&uri))
                }
                Some("MOCK") => {
                    Integration::Mock { response: self.read_mock_response(resource.id, resources) }
                }
                other => {
                    let other = other.unwrap_or("without a type");
                    self.warn(
                        resource.line,
                        format!("{}: integrations {other} are not emulated", resource.id),
                    );
                    continue;
                }
            };
            integrations.insert(resource.id.to_owned(), integration);
        }
        integrations
    }

    /// HTTP APIs have version 1.0 unless another one is asked for.
    fn check_payload_format(&mut self, integration: &Resource<'_>) {
        let version = self.text(&integration.properties, "PayloadFormatVersion");
        let version = version.unwrap_or_else(|| "1.0".to_owned());
        if version != "2.0" {
            let line = integration.properties.line_of("PayloadFormatVersion");
            let text = format!(
                "{}: payload format {version} is not emulated, events have 2.0 here: ask for PayloadFormatVersion '2.0'",
                integration.id
            );
            self.warn(line, text);
        }
    }

    /// The answer of a MOCK integration: the response template that its selection expression names.
    fn read_mock_response(&mut self, integration: &str, resources: &[Resource<'_>]) -> Option<String> {
        for resource in resources.iter().filter(|one| one.kind == "AWS::ApiGatewayV2::IntegrationResponse") {
            let properties = &resource.properties;
            if self.text(properties, "IntegrationId").is_none_or(|id| id != integration) {
                continue;
            }
            let templates = self.text_map(properties, "ResponseTemplates");
            let selected = self.text(properties, "TemplateSelectionExpression");
            let selected = selected.map(|text| text.replace('\\', ""));
            let template = selected.and_then(|key| templates.get(&key)).or_else(|| templates.values().next());
            if template.is_some_and(|text| {
                ["$input", "$context", "#set", "#if"].iter().any(|word| text.contains(word))
            }) {
                self.warn(
                    resource.line,
                    format!(
                        "{}: the template is sent as it stands, variables are not filled in",
                        resource.id
                    ),
                );
            }
            return template.cloned();
        }
        None
    }
}

/// The URI with `${stageVariables.NAME}` filled in; the error is the name of one that the stage does not have.
fn fill_in(uri: &str, variables: Option<&BTreeMap<String, String>>) -> Result<String, String> {
    const START: &str = "${stageVariables.";
    let (mut result, mut rest) = (String::new(), uri);
    while let Some((before, after)) = rest.split_once(START) {
        let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        let value = variables.and_then(|variables| variables.get(name)).ok_or_else(|| name.to_owned())?;
        result.push_str(before);
        result.push_str(value);
        rest = after;
    }
    Ok(result + rest)
}
