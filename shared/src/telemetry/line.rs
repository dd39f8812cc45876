//! The line that an invocation becomes: what it was about, and its metrics in CloudWatch's [embedded metric
//! format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html),
//! which cost no request.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::count::Count;
use super::record::Record;

/// The metric that is no count: how long the store was waited for.
const STORE_TIME: &str = "StoreTime";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call<'a>>,
    milliseconds: f64,
    #[serde(flatten)]
    metrics: Metrics,
    #[serde(rename = "_aws", skip_serializing_if = "Option::is_none")]
    directive: Option<Metadata<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The metrics that there is something to tell of: a value of zero is as good as none.
struct Metrics(Vec<(&'static str, f64)>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: i64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    /// None, since each combination of values would be metrics of its own, and paid for.
    dimensions: [[&'static str; 0]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

/// The line, with its end. Without a namespace its metrics are no metrics of CloudWatch's.
pub(super) fn line(record: &Record, namespace: Option<&str>) -> String {
    at(record, namespace, Utc::now(), record.started.elapsed())
}

fn at(record: &Record, namespace: Option<&str>, now: DateTime<Utc>, took: Duration) -> String {
    let metrics = Metrics::of(record);
    let directive = namespace.filter(|_| !metrics.0.is_empty()).map(|namespace| Metadata {
        timestamp: now.timestamp_millis(),
        cloud_watch_metrics: [Directive { namespace, dimensions: [[]], metrics: metrics.definitions() }],
    });
    let calls = record.calls.iter().map(|call| Call { id: &call.id, state: call.state, reason: call.reason });
    let subject = &record.subject;
    let line = Line {
        timestamp: now.to_rfc3339_opts(SecondsFormat::Millis, true),
        level: "INFO",
        message: "served",
        request_id: &subject.request_id,
        api_request_id: subject.api_request_id.as_deref(),
        route: subject.route.as_deref(),
        connection: subject.connection.as_deref(),
        user: record.user.as_deref(),
        peer: record.peer.as_deref(),
        code: record.code,
        calls: calls.collect(),
        milliseconds: milliseconds(took),
        metrics,
        directive,
    };
    // Nothing in it can fail to serialize.
    let mut line = serde_json::to_string(&line).unwrap_or_default();
    line.push('\n');
    line
}

impl Metrics {
    fn of(record: &Record) -> Self {
        let counts = Count::ALL.iter().map(|count| (count.name(), record.counts[*count as usize].into()));
        let store = (STORE_TIME, milliseconds(record.store.total));
        Self(counts.chain([store]).filter(|(_, value)| *value > 0.0).collect())
    }

    fn definitions(&self) -> Vec<Definition> {
        let unit = |name| if name == STORE_TIME { "Milliseconds" } else { "Count" };
        self.0.iter().map(|(name, _)| Definition { name, unit: unit(*name) }).collect()
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            // A count is written as a whole number.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts are whole and small"
            )]
            match *name == STORE_TIME {
                true => map.serialize_entry(name, value)?,
                false => map.serialize_entry(name, &(*value as u32))?,
            }
        }
        map.end()
    }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::record::{self, Subject};
    use super::*;

    fn record() -> Record {
        Record::new(Subject {
            request_id: "request".to_owned(),
            api_request_id: Some("api".to_owned()),
            route: Some("offer".to_owned()),
            connection: Some("connection".to_owned()),
        })
    }

    fn read(record: &Record, namespace: Option<&str>) -> Value {
        let now = "2026-01-02T03:04:05.678Z".parse().expect("a time");
        let line = at(record, namespace, now, Duration::from_micros(1234));
        assert_eq!(line.matches('\n').count(), 1);
        serde_json::from_str(&line).expect("JSON")
    }

    #[test]
    fn an_invocation_is_one_line_with_its_metrics() {
        let mut record = record();
        record.user = Some("0123456789abcdef".to_owned());
        record.code = Some("peer_unavailable");
        record.counts[Count::PushesDelivered as usize] = 2;
        record.store.total = Duration::from_micros(2500);
        record.calls.push(record::Call { id: "call-0001".to_owned(), state: Some("ringing"), reason: None });
        assert_eq!(
            read(&record, Some("nowoptics")),
            json!({
                "timestamp": "2026-01-02T03:04:05.678Z", "level": "INFO", "message": "served",
                "requestId": "request", "apiRequestId": "api", "route": "offer", "connection": "connection",
                "user": "0123456789abcdef", "code": "peer_unavailable",
                "calls": [{ "id": "call-0001", "state": "ringing" }],
                "milliseconds": 1.234, "PushesDelivered": 2, "StoreTime": 2.5,
                "_aws": {
                    "Timestamp": 1_767_323_045_678_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "nowoptics",
                        "Dimensions": [[]],
                        "Metrics": [
                            { "Name": "PushesDelivered", "Unit": "Count" },
                            { "Name": "StoreTime", "Unit": "Milliseconds" },
                        ],
                    }],
                },
            })
        );
    }

    #[test]
    fn without_metrics_or_a_namespace_it_declares_none() {
        let mut record = record();
        assert!(read(&record, Some("nowoptics")).get("_aws").is_none());
        record.counts[Count::Sends as usize] = 1;
        let line = read(&record, None);
        assert_eq!((&line["Sends"], line.get("_aws")), (&json!(1), None));
    }
}
