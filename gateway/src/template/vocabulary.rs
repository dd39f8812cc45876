//! The words of a template. Those that matter only once deployed are accepted without a word; those that are not
//! emulated get a warning, and so do unknown ones, which are slips most often.
//!
//! The lists are those of the SAM specification (sam-specification-template-anatomy and the pages of its resources) and
//! of the CloudFormation reference of `AWS::ApiGatewayV2`; `.ci/check-vocabulary` compares them.

/// A part of a template, as messages call it, and the words it may hold.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    /// Read, or without effect before a deployment.
    fine: &'static str,
    /// Without effect here, which a program could notice.
    not_emulated: &'static str,
}

pub(super) const TEMPLATE: Part = Part {
    name: "a template",
    fine: "\
        AWSTemplateFormatVersion Conditions Description Globals Mappings Metadata Outputs Parameters \
        Resources Rules Transform",
    not_emulated: "Hooks",
};

pub(super) const GLOBALS: Part = Part {
    name: "Globals",
    fine: "Api CapacityProvider Function HttpApi LayerVersion SimpleTable StateMachine WebSocketApi",
    not_emulated: "",
};

pub(super) const RESOURCE: Part = Part {
    name: "a resource",
    fine: "\
        Condition Connectors CreationPolicy DeletionPolicy DependsOn Metadata Properties Type UpdatePolicy \
        UpdateReplacePolicy",
    not_emulated: "IgnoreGlobals",
};

pub(super) const ENVIRONMENT: Part = Part { name: "Environment", fine: "Variables", not_emulated: "" };

pub(super) const EVENT: Part = Part { name: "an event", fine: "Properties Type", not_emulated: "" };

pub(super) const HTTP_EVENT: Part = Part {
    name: "an HttpApi event",
    fine: "ApiId Auth Method Path PayloadFormatVersion RouteSettings",
    not_emulated: "TimeoutInMillis",
};

pub(super) const HTTP_EVENT_AUTH: Part = Part {
    name: "an HttpApi event's Auth",
    fine: "AuthorizationScopes Authorizer",
    not_emulated: "InvokeRole",
};

pub(super) const HTTP_AUTH: Part = Part {
    name: "an HTTP API's Auth",
    fine: "Authorizers DefaultAuthorizer EnableIamAuthorizer",
    not_emulated: "",
};

pub(super) const JWT_AUTHORIZER: Part = Part {
    name: "a JWT authorizer",
    fine: "AuthorizationScopes IdentitySource JwtConfiguration",
    not_emulated: "",
};

pub(super) const JWT_CONFIGURATION: Part =
    Part { name: "JwtConfiguration", fine: "Audience Issuer audience issuer", not_emulated: "" };

pub(super) const CORS: Part = Part {
    name: "CorsConfiguration",
    fine: "AllowCredentials AllowHeaders AllowMethods AllowOrigins ExposeHeaders MaxAge",
    not_emulated: "",
};

pub(super) const WEBSOCKET_ROUTE: Part = Part {
    name: "a WebSocket API's route",
    fine: "FunctionArn OperationName RouteResponseSelectionExpression",
    not_emulated: "\
        ApiKeyRequired IntegrationTimeout ModelSelectionExpression RequestModels RequestParameters",
};

pub(super) const WEBSOCKET_AUTH: Part = Part {
    name: "a WebSocket API's Auth",
    fine: "AuthArn AuthType IdentitySource InvokeRole Name",
    not_emulated: "PayloadFormatVersion",
};

/// Resources whose properties are read.
const RESOURCES: [Part; 10] = [
    Part {
        name: "AWS::Serverless::Function",
        fine: "\
            Architectures AssumeRolePolicyDocument AutoPublishAlias AutoPublishAliasAllProperties \
            AutoPublishCodeSha256 CapacityProviderConfig CodeSigningConfigArn CodeUri DeadLetterQueue \
            DeploymentPreference Description Environment EphemeralStorage EventInvokeConfig Events \
            FunctionName FunctionScalingConfig Handler KmsKeyArn LoggingConfig MemorySize PackageType \
            PermissionsBoundary Policies PropagateTags ProvisionedConcurrencyConfig PublishToLatestPublished \
            RecursiveLoop Role RolePath Runtime RuntimeManagementConfig SnapStart SourceKMSKeyArn Tags \
            Timeout Tracing VersionDeletionPolicy VersionDescription VpcConfig",
        not_emulated: "\
            DurableConfig FileSystemConfigs FunctionUrlConfig ImageConfig ImageUri InlineCode Layers \
            ReservedConcurrentExecutions TenancyConfig",
    },
    Part {
        name: "AWS::Serverless::HttpApi",
        fine: "\
            AccessLogSettings Auth CorsConfiguration DefaultRouteSettings DefinitionBody DefinitionUri \
            Description DisableExecuteApiEndpoint FailOnWarnings Name PropagateTags RouteSettings StageName \
            StageVariables Tags",
        not_emulated: "Domain",
    },
    Part {
        name: "AWS::Serverless::WebSocketApi",
        fine: "\
            AccessLogSettings Auth DefaultRouteSettings Description DisableExecuteApiEndpoint \
            DisableSchemaValidation FailOnWarnings IpAddressType Name PropagateTags RouteSelectionExpression \
            RouteSettings Routes StageName StageVariables Tags",
        not_emulated: "ApiKeySelectionExpression Domain",
    },
    Part {
        name: "AWS::ApiGatewayV2::Api",
        fine: "\
            Body CorsConfiguration CredentialsArn Description DisableExecuteApiEndpoint \
            DisableSchemaValidation FailOnWarnings IpAddressType Name ProtocolType RouteKey \
            RouteSelectionExpression Tags Target Version",
        not_emulated: "ApiKeySelectionExpression BasePath BodyS3Location",
    },
    Part {
        name: "AWS::ApiGatewayV2::Stage",
        fine: "\
            AccessLogSettings ApiId AutoDeploy DefaultRouteSettings DeploymentId Description \
            RouteSettings StageName StageVariables Tags",
        not_emulated: "ClientCertificateId",
    },
    Part {
        name: "AWS::ApiGatewayV2::Route",
        fine: "\
            ApiId AuthorizationScopes AuthorizationType AuthorizerId OperationName RouteKey \
            RouteResponseSelectionExpression Target",
        not_emulated: "ApiKeyRequired ModelSelectionExpression RequestModels RequestParameters",
    },
    Part {
        name: "AWS::ApiGatewayV2::Integration",
        fine: "\
            ApiId ConnectionType CredentialsArn Description IntegrationMethod IntegrationType IntegrationUri \
            PassthroughBehavior PayloadFormatVersion RequestTemplates TemplateSelectionExpression",
        not_emulated: "\
            ConnectionId ContentHandlingStrategy IntegrationSubtype RequestParameters ResponseParameters \
            TimeoutInMillis TlsConfig",
    },
    Part {
        name: "AWS::ApiGatewayV2::IntegrationResponse",
        fine: "ApiId IntegrationId IntegrationResponseKey ResponseTemplates TemplateSelectionExpression",
        not_emulated: "ContentHandlingStrategy ResponseParameters",
    },
    Part {
        name: "AWS::ApiGatewayV2::RouteResponse",
        fine: "ApiId RouteId RouteResponseKey",
        not_emulated: "ModelSelectionExpression ResponseModels ResponseParameters",
    },
    Part {
        name: "AWS::ApiGatewayV2::Authorizer",
        fine: "\
            ApiId AuthorizerCredentialsArn AuthorizerResultTtlInSeconds AuthorizerType AuthorizerUri \
            IdentitySource JwtConfiguration Name",
        not_emulated: "AuthorizerPayloadFormatVersion EnableSimpleResponses IdentityValidationExpression",
    },
];

/// Resources of the services that the gateway emulates, by the start of their type; others are ignored.
const TYPES: [Part; 3] = [
    Part {
        name: "AWS::Serverless::",
        fine: "Api CapacityProvider Connector Function HttpApi LayerVersion SimpleTable WebSocketApi",
        not_emulated: "Application GraphQLApi StateMachine",
    },
    Part {
        name: "AWS::ApiGatewayV2::",
        fine: "\
            Api ApiMapping Authorizer Deployment DomainName Integration IntegrationResponse Model Route \
            RouteResponse RoutingRule Stage VpcLink",
        not_emulated: "ApiGatewayManagedOverrides",
    },
    Part {
        name: "AWS::Lambda::",
        fine: "\
            Alias CapacityProvider CodeSigningConfig EventInvokeConfig Function LayerVersion LayerVersionPermission \
            Permission Version",
        not_emulated: "EventSourceMapping Url",
    },
];

impl Part {
    fn has(words: &str, word: &str) -> bool {
        words.split_ascii_whitespace().any(|known| known == word)
    }

    /// Why a word has no effect, if it has none.
    pub(super) fn objection(&self, word: &str) -> Option<String> {
        if Self::has(self.not_emulated, word) {
            return Some("it is not emulated".to_owned());
        }
        (!Self::has(self.fine, word)).then(|| format!("{} has nothing of that name", self.name))
    }
}

/// The properties of a resource of this type, if they are read.
pub(super) fn properties_of(kind: &str) -> Option<&'static Part> {
    RESOURCES.iter().find(|part| part.name == kind)
}

/// Why a resource of this type has no effect, if it belongs to a service that the gateway emulates.
pub(super) fn objection_to_type(kind: &str) -> Option<String> {
    let (part, word) = TYPES.iter().find_map(|part| Some((part, kind.strip_prefix(part.name)?)))?;
    part.objection(word)
}
