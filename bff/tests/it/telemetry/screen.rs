//! One view over an HTTP and a gRPC service that say what they were told.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::harness::{Backend, grpc_reply};

const CONTRACT: &str = "
openapi: 3.0.3
info: { title: Profiles, version: 1.0.0 }
paths:
  /profile:
    get:
      operationId: getProfile
      responses:
        '200':
          description: A profile
          content: { application/json: { schema: { type: object, required: [name], properties: { name: { type: string } } } } }
  /extra:
    get:
      operationId: getExtra
      responses:
        '200':
          description: Something to do without
          content: { application/json: { schema: { type: object, required: [text], properties: { text: { type: string } } } } }
";

const PROTO: &str = "
syntax = \"proto3\";
package points.v1;
message Ask { string id = 1; }
message Points { int32 count = 1; string left = 2; }
service PointsService { rpc Get(Ask) returns (Points) { option idempotency_level = NO_SIDE_EFFECTS; } }
";

const VIEW: &str = "
view: screen
route: GET /v1/screens/{id}
access: public
params:
  id: { in: path, type: string, max: 64 }
calls:
  profile:
    http: profiles/getProfile
  points:
    grpc: points/points.v1.PointsService.Get
    request: { id: $params.id }
  extra:
    http: profiles/getExtra
    on_fail: null
shape:
  name: profile.name
  points: points.count
  extra: extra?.text
  extraAgain: extra?.text
";

/// The services behind the view, and the `traceparent` that each was told.
pub struct Services {
    pub backend: Backend,
    pub told: Arc<Mutex<Vec<String>>>,
}

impl Services {
    pub async fn start() -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let routes = Router::new()
            .route("/profile", get(profile))
            .route("/points.v1.PointsService/Get", post(points))
            .with_state(Arc::clone(&told));
        Self { backend: Backend::start(routes).await, told }
    }

    /// Writes the view and its contracts into the folder, and returns the settings that name them.
    pub fn settings(&self, folder: &Path) -> String {
        for dir in ["views", "protos"] {
            std::fs::create_dir_all(folder.join(dir)).unwrap();
        }
        std::fs::write(folder.join("views/screen.yaml"), VIEW).unwrap();
        std::fs::write(folder.join("protos/points.proto"), PROTO).unwrap();
        std::fs::write(folder.join("profiles.yaml"), CONTRACT).unwrap();
        let (url, folder) = (self.backend.url(), folder.display());
        format!(
            "[store]\ndatabase_url = 'sqlite:{folder}/process.db'\n[views]\ndir = '{folder}/views'\n\
             [sources.profiles]\nhttp = '{url}'\nopenapi = '{folder}/profiles.yaml'\n\
             [sources.points]\ngrpc = '{url}'\nprotos = '{folder}/protos'\nrequired = false\n"
        )
    }
}

async fn profile(State(told): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    note(&told, &request);
    ([("content-type", "application/json")], r#"{"name":"Ada"}"#).into_response()
}

async fn points(State(told): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    note(&told, &request);
    grpc_reply(b"\x08\x07")
}

fn note(told: &Mutex<Vec<String>>, request: &Request) {
    let parent = request.headers()["traceparent"].to_str().unwrap();
    told.lock().unwrap().push(parent.to_owned());
}
