//! gRPC server reflection: the descriptors of every service with what they import, as one descriptor set.
//!
//! The two versions of the protocol differ in their name alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::StreamExt;
use http::uri::PathAndQuery;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;
use protox::file::{FileResolver, GoogleFileResolver};
use tokio::time::{Instant, timeout_at};
use tonic::Code;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::{MAX_BYTES, PullError, count};
use crate::meter::Meter;
use crate::upstream::{Call, Config, Error, Source, Target};
use crate::views::schema;

const VERSIONS: [&str; 2] = ["grpc.reflection.v1", "grpc.reflection.v1alpha"];
/// What every server has beside its own services.
const OTHERS: [&str; 2] = ["grpc.reflection.", "grpc.health."];
const MAX_FILES: usize = 2_000;

/// The set, and what it holds in words.
pub async fn descriptors(name: &str, settings: &Config, deadline: Instant) -> Result<(Vec<u8>, String), PullError> {
    let url = settings.grpc.as_deref().unwrap_or_default();
    let source = Source::connect(name, settings, &Meter::none()).map_err(|error| PullError(error.to_string()))?;
    tracing::info!(url, "asking for the services");
    let wrong = |trouble: Trouble| PullError(format!("{url}: {}", trouble.explain(name)));
    let (server, services) = Server::find(&source, deadline).await.map_err(wrong)?;
    let mut files = Files::default();
    for service in &services {
        let found = server.files(MessageRequest::FileContainingSymbol(service.clone())).await.map_err(wrong)?;
        files.add(found).map_err(wrong)?;
    }
    while let Some(import) = files.missing() {
        let found = match server.files(MessageRequest::FileByFilename(import.clone())).await {
            // Few servers keep the files that every compiler brings.
            Err(Trouble::Refused(reason)) => vec![well_known(&import).ok_or(Trouble::Refused(reason)).map_err(wrong)?],
            found => found.map_err(wrong)?,
        };
        files.add(found).map_err(wrong)?;
        if files.missing().as_ref() == Some(&import) {
            return Err(wrong(Trouble::Broken(format!("it has no file {import}, which others import"))));
        }
    }
    let contents = format!("{}, {}", count(services.len(), "service"), count(files.by_name.len(), "file"));
    Ok((files.set().map_err(wrong)?, contents))
}

/// Why a server could not be asked.
enum Trouble {
    Failed(Error),
    NoReflection,
    NoServices,
    /// The server's answer to one question.
    Refused(String),
    Broken(String),
}

impl Trouble {
    fn explain(self, name: &str) -> String {
        match self {
            Self::Failed(error) => error.message.clone(),
            Self::NoReflection => format!(
                "the server has no reflection; turn it on there (grpc-go: reflection.Register, tonic: tonic-reflection, \
                 grpc-java: ProtoReflectionServiceV1), or set `protos` of sources.{name} to the folder of its .proto files"
            ),
            Self::NoServices => "the server names no service of its own".to_owned(),
            Self::Refused(reason) => format!("the server refuses to describe itself: {reason}"),
            Self::Broken(what) => format!("the server's descriptors are broken: {what}"),
        }
    }
}

struct Server<'s> {
    source: &'s Source,
    path: PathAndQuery,
    deadline: Instant,
}

impl<'s> Server<'s> {
    /// The version that the server speaks, and the services that it names.
    async fn find(source: &'s Source, deadline: Instant) -> Result<(Self, BTreeSet<String>), Trouble> {
        for version in VERSIONS {
            let path = format!("/{version}.ServerReflection/ServerReflectionInfo");
            let Ok(path) = path.parse() else { continue };
            let server = Self { source, path, deadline };
            match server.ask(MessageRequest::ListServices(String::new())).await {
                Err(Trouble::Failed(error)) if error.code == Code::Unimplemented => {}
                Err(trouble) => return Err(trouble),
                Ok(MessageResponse::ListServicesResponse(list)) => {
                    let names = list.service.into_iter().map(|service| service.name);
                    let own = names.filter(|name| !OTHERS.iter().any(|other| name.starts_with(other)));
                    let services: BTreeSet<String> = own.collect();
                    return if services.is_empty() { Err(Trouble::NoServices) } else { Ok((server, services)) };
                }
                Ok(_) => return Err(Trouble::Broken("it answers another question".to_owned())),
            }
        }
        Err(Trouble::NoReflection)
    }

    async fn files(&self, question: MessageRequest) -> Result<Vec<Vec<u8>>, Trouble> {
        match self.ask(question).await? {
            MessageResponse::FileDescriptorResponse(files) => Ok(files.file_descriptor_proto),
            MessageResponse::ErrorResponse(error) => Err(Trouble::Refused(error.error_message)),
            _ => Err(Trouble::Broken("it answers another question".to_owned())),
        }
    }

    /// One question: a stream of its own, which ends with the answer.
    async fn ask(&self, question: MessageRequest) -> Result<MessageResponse, Trouble> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let body = Bytes::from(request.encode_to_vec());
        let (target, deadline) = (Target::Grpc(self.path.clone()), self.deadline);
        let opened = self.source.open(Call { target, headers: Vec::new(), body, deadline, repeatable: true }).await;
        let mut replies = opened.map_err(Trouble::Failed)?;
        let reply = timeout_at(self.deadline, replies.next()).await;
        let reply = reply.map_err(|_| Trouble::Failed(Error::deadline()))?;
        let reply = reply.ok_or_else(|| Trouble::Broken("it ends without an answer".to_owned()))?;
        let reply = reply.map_err(Trouble::Failed)?;
        let response =
            ServerReflectionResponse::decode(reply.body).map_err(|error| Trouble::Broken(error.to_string()))?;
        response.message_response.ok_or_else(|| Trouble::Broken("an answer says nothing".to_owned()))
    }
}

/// As the server encodes them, because options that are unknown here must stay.
#[derive(Default)]
struct Files {
    by_name: BTreeMap<String, File>,
    bytes: usize,
}

struct File {
    encoded: Vec<u8>,
    imports: Vec<String>,
}

impl Files {
    fn add(&mut self, encoded: Vec<Vec<u8>>) -> Result<(), Trouble> {
        for encoded in encoded {
            let file = FileDescriptorProto::decode(encoded.as_slice());
            let file = file.map_err(|error| Trouble::Broken(error.to_string()))?;
            self.bytes += encoded.len();
            self.by_name.entry(file.name().to_owned()).or_insert(File { encoded, imports: file.dependency });
        }
        if self.bytes > MAX_BYTES || self.by_name.len() > MAX_FILES {
            return Err(Trouble::Broken(format!("there are more than {MAX_FILES} files or {MAX_BYTES} bytes")));
        }
        Ok(())
    }

    fn missing(&self) -> Option<String> {
        let mut imports = self.by_name.values().flat_map(|file| &file.imports);
        imports.find(|import| !self.by_name.contains_key(*import)).cloned()
    }

    /// A `FileDescriptorSet`: imports first, and otherwise by name, so that the same files make the same bytes.
    fn set(mut self) -> Result<Vec<u8>, Trouble> {
        const FILE: u8 = 1 << 3 | 2;
        let mut set = Vec::with_capacity(self.bytes + self.bytes / 64);
        let mut written = BTreeSet::new();
        while !self.by_name.is_empty() {
            let next = self.by_name.iter().find(|(_, file)| file.imports.iter().all(|import| written.contains(import)));
            let Some(name) = next.map(|(name, _)| name.clone()) else {
                return Err(Trouble::Broken("files import each other in a circle".to_owned()));
            };
            let Some(File { encoded, .. }) = self.by_name.remove(&name) else { break };
            set.push(FILE);
            prost::encode_length_delimiter(encoded.len(), &mut set)
                .map_err(|error| Trouble::Broken(error.to_string()))?;
            set.extend(encoded);
            written.insert(name);
        }
        // What cannot be read at the next start is better refused now; the library panics at some damage.
        let readable = std::panic::catch_unwind(|| schema::descriptors(&set).map(drop));
        match readable {
            Ok(Ok(())) => Ok(set),
            Ok(Err(error)) => Err(Trouble::Broken(error)),
            Err(_) => Err(Trouble::Broken("they cannot be read".to_owned())),
        }
    }
}

fn well_known(name: &str) -> Option<Vec<u8>> {
    let file = GoogleFileResolver::new().open_file(name).ok()?;
    Some(file.file_descriptor_proto().encode_to_vec())
}
