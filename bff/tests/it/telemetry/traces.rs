//! Spans at an OpenTelemetry collector: the client's request, the view, its calls, the requests to the services.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::screen::Services;
use crate::harness::{Backend, Process, client};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Keeps every span that it is sent.
#[derive(Clone, Default)]
pub struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub async fn start(&self) -> Backend {
        Backend::start(Routes::new(TraceServiceServer::new(self.clone())).into_axum_router()).await
    }

    pub fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
}

/// Runs the program with a collector while a client asks once; returns what the collector and the services got.
async fn trace(parent: Option<&str>, variables: &[(&str, &str)]) -> (Vec<Span>, Vec<String>) {
    let (collector, services) = (Collector::default(), Services::start().await);
    let receiver = collector.start().await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = receiver.url();
    let variables = [variables, &[("BFF__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str())]].concat();
    let process = Process::start(folder.path(), &services.settings(folder.path()), &variables).await;
    let request = client().get(format!("{}/v1/screens/one", process.url));
    let request = parent.into_iter().fold(request, |request, parent| request.header("traceparent", parent));
    assert_eq!(request.send().await.unwrap().status(), 200);
    process.stop().await;
    let told = services.told.lock().unwrap().clone();
    (collector.spans(), told)
}

#[tokio::test]
async fn the_levels_of_a_request_are_linked() {
    let (spans, told) = trace(Some(&format!("00-{TRACE}-{PARENT}-01")), &[]).await;
    let request = named(&spans, "GET /v1/screens/{id}");
    let view = named(&spans, "view screen");
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(request.kind, SpanKind::Server as i32);
    assert_eq!(view.parent_span_id, request.span_id);
    for (call, sent) in [("call profile", "GET"), ("call points", "/points.v1.PointsService/Get")] {
        let call = named(&spans, call);
        assert_eq!(call.parent_span_id, view.span_id);
        let sent = spans.iter().find(|span| span.parent_span_id == call.span_id && span.name == sent).unwrap();
        assert_eq!(sent.kind, SpanKind::Client as i32);
        let header = format!("00-{TRACE}-{}-01", hex(&sent.span_id));
        assert!(told.contains(&header), "{header} is not among {told:?}");
    }
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "nothing else is traced");
    assert_eq!(spans.len(), 8, "one request, one view, three calls, a request to a service each");
}

#[tokio::test]
async fn without_a_client_s_trace_one_begins_and_the_services_go_on_with_it() {
    let (spans, told) = trace(None, &[]).await;
    let request = named(&spans, "GET /v1/screens/{id}");
    assert!(request.parent_span_id.is_empty());
    assert!(told.len() == 2 && told.iter().all(|parent| parent.contains(&hex(&request.trace_id))), "{told:?}");
}

#[tokio::test]
async fn what_is_not_sampled_is_passed_on_and_not_sent() {
    let (spans, told) = trace(None, &[("BFF__TELEMETRY__TRACE_RATIO", "0.0")]).await;
    assert!(spans.is_empty(), "{spans:?}");
    assert!(told.iter().all(|parent| parent.ends_with("-00")), "{told:?}");

    let decided = format!("00-{TRACE}-{PARENT}-00");
    let (spans, told) = trace(Some(&decided), &[]).await;
    assert!(spans.is_empty(), "{spans:?}");
    assert!(told.iter().all(|parent| parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-00")));
}
