//! The words of a template. Those that matter only once deployed are accepted without a word; those that are not
//! emulated get a warning, and so do unknown ones, which are slips most often.
//!
//! The lists are those of the SAM specification (sam-specification-template-anatomy and the pages of its resources) and
//! of the CloudFormation reference; `.ci/check-vocabulary` compares them.

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

/// The attributes of the resources that are read, for `Fn::GetAtt`.
const ATTRIBUTES: [(&str, &str); 10] = [
    ("AWS::Serverless::Function", FUNCTION_ATTRIBUTES),
    ("AWS::Lambda::Function", FUNCTION_ATTRIBUTES),
    ("AWS::Serverless::HttpApi", API_ATTRIBUTES),
    ("AWS::Serverless::WebSocketApi", API_ATTRIBUTES),
    ("AWS::ApiGatewayV2::Api", API_ATTRIBUTES),
    ("AWS::ApiGatewayV2::Authorizer", "AuthorizerId"),
    ("AWS::ApiGatewayV2::Integration", "IntegrationId"),
    ("AWS::ApiGatewayV2::IntegrationResponse", "IntegrationResponseId"),
    ("AWS::ApiGatewayV2::Route", "RouteId"),
    ("AWS::ApiGatewayV2::RouteResponse", "RouteResponseId"),
];

const FUNCTION_ATTRIBUTES: &str =
    "Arn SnapStartResponse SnapStartResponse.ApplyOn SnapStartResponse.OptimizationStatus";
const API_ATTRIBUTES: &str = "ApiEndpoint ApiId ExecuteApiArn";

/// The services that have types of resources, `AWS::SERVICE::…`.
const SERVICES: &str = "\
    ACMPCA AIOps APS ARCRegionSwitch ARCZonalShift AWSExternalAnthropic AccessAnalyzer AccountAccess \
    AgentRegistry AmazonMQ Amplify AmplifyUIBuilder ApiGateway ApiGatewayV2 AppConfig AppFabric AppFlow \
    AppIntegrations AppMesh AppRunner AppStream AppSync AppTest ApplicationAutoScaling ApplicationInsights \
    ApplicationSignals Athena AuditManager AutoScaling AutoScalingPlans B2BI BCM BCMDataExports Backup \
    BackupGateway Batch BcmPricingCalculator Bedrock BedrockAgentCore BedrockMantle Billing BillingConductor \
    Braket Budgets CDK CE CUR Cases Cassandra CertificateManager Chatbot Chime CleanRooms CleanRoomsML Cloud9 \
    CloudFormation CloudFront CloudHSM CloudTrail CloudWatch CodeArtifact CodeBuild CodeCommit CodeConnections \
    CodeDeploy CodeGuruProfiler CodeGuruReviewer CodePipeline CodeStar CodeStarConnections CodeStarNotifications \
    Cognito Comprehend ComputeOptimizer Config Connect ConnectCampaigns ConnectCampaignsV2 ControlTower \
    CustomerProfiles DAX DLM DMS DRS DSQL DataBrew DataExchange DataPipeline DataSync DataZone Deadline \
    Detective DevOpsAgent DevOpsGuru DirectConnect DirectoryService DocDB DocDBElastic DynamoDB EC2 ECR ECS EFS \
    EKS EMR EMRContainers EMRServerless EVS ElastiCache ElasticBeanstalk ElasticLoadBalancing \
    ElasticLoadBalancingV2 Elasticsearch ElementalInference EntityResolution EventSchemas Events EventsV2 \
    Evidently FIS FMS FSx FinSpace Forecast FraudDetector GameLift GlobalAccelerator Glue Grafana Greengrass \
    GreengrassV2 GroundStation GuardDuty HealthAgent HealthImaging HealthLake IAM IVS IVSChat IdentityStore \
    ImageBuilder Inspector InspectorV2 Interconnect InternetMonitor Invoicing IoT IoTAnalytics \
    IoTCoreDeviceAdvisor IoTFleetWise IoTSecureTunneling IoTSiteWise IoTThingsGraph IoTTwinMaker IoTWireless KMS \
    KafkaConnect Kendra KendraRanking Kinesis KinesisAnalytics KinesisAnalyticsV2 KinesisFirehose KinesisVideo \
    LakeFormation Lambda LaunchWizard Lex LicenseManager LicenseManagerLinuxSubscriptions \
    LicenseManagerUserSubscriptions Lightsail Location Logs LookoutEquipment LookoutVision M2 MGN MPA MSK MWAA \
    MWAAServerless Macie ManagedBlockchain MediaConnect MediaConvert MediaLive MediaPackage MediaPackageV2 \
    MediaStore MediaTailor MemoryDB Neptune NeptuneGraph NetworkFirewall NetworkFlowMonitor NetworkManager \
    NetworkMonitor NetworkSecurityManager Notifications NotificationsContacts NovaAct ODB OSIS Oam \
    ObservabilityAdmin Omics OpenSearch OpenSearchServerless OpenSearchService Organizations Outposts \
    PCAConnectorAD PCAConnectorSCEP PCS PI Panorama PaymentCryptography Personalize Pinpoint PinpointEmail Pipes \
    Polly PricingPlanManager Proton QBusiness QLDB QuickSight RAM RDS RTBFabric RUM Rbin Redshift \
    RedshiftServerless RefactorSpaces Rekognition ResilienceHub ResilienceHubV2 ResourceExplorer2 ResourceGroups \
    RoboMaker RolesAnywhere Route53 Route53GlobalResolver Route53Profiles Route53RecoveryControl \
    Route53RecoveryReadiness Route53Resolver S3 S3Express S3Files S3ObjectLambda S3Outposts S3Tables S3Vectors \
    SCN SDB SES SMSVOICE SNS SQS SSM SSMContacts SSMGuiConnect SSMIncidents SSMQuickSetup SSO SageMaker \
    Scheduler SecretsManager SecurityAgent SecurityHub SecurityLake Serverless ServerlessRepo ServiceCatalog \
    ServiceCatalogAppRegistry ServiceDiscovery Shield Signer SimSpaceWeaver StepFunctions StorageGateway \
    SupportApp SupportAuthZ Synthetics SystemsManagerSAP Textract Timestream Transcribe Transfer Translate UXC \
    VerifiedPermissions VoiceID VpcLattice WAF WAFRegional WAFv2 WellArchitected Wickr Wisdom WorkSpaces \
    WorkSpacesThinClient WorkSpacesWeb WorkspacesInstances XRay";

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

/// Whether a resource of this type is served, or told that it cannot be.
pub(super) fn is_read(kind: &str) -> bool {
    let told = ["AWS::ApiGateway::RestApi", "AWS::Lambda::Function", "AWS::Serverless::Api"];
    properties_of(kind).is_some() || told.contains(&kind)
}

/// Why a resource of this type has no effect, if it belongs to a service that the gateway emulates or to none.
pub(super) fn objection_to_type(kind: &str) -> Option<String> {
    if let Some((part, word)) = TYPES.iter().find_map(|part| Some((part, kind.strip_prefix(part.name)?))) {
        return part.objection(word);
    }
    match kind.split("::").collect::<Vec<_>>().as_slice() {
        ["AWS", service, _, ..] => {
            (!Part::has(SERVICES, service)).then(|| format!("AWS has no service of the name {service}"))
        }
        ["Custom", _] | ["Alexa", _, _] => None,
        // Types of the registry of CloudFormation are anybody's.
        [owner, _, _, ..] if !owner.eq_ignore_ascii_case("AWS") => None,
        _ => Some("types are written AWS::SERVICE::RESOURCE".to_owned()),
    }
}

/// Why a resource of this type has no such attribute, if its attributes are known.
pub(super) fn objection_to_attribute(kind: &str, attribute: &str) -> Option<String> {
    let (_, attributes) = ATTRIBUTES.iter().find(|(known, _)| *known == kind)?;
    (!Part::has(attributes, attribute)).then(|| format!("{kind} has no attribute {attribute}"))
}
