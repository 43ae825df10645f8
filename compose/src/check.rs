//! Definition x contracts to plans, or every problem found.
//!
//! Both sides of every call are typed: what is sent as hard as what is read. What is read decides what is decoded.

mod answer;
mod argument;
mod arithmetic;
mod assign;
mod batch;
mod budget;
mod cache;
mod call;
mod client_field;
mod direction;
mod effect;
mod expression;
mod field_mask;
mod fragment;
mod function;
mod gaps;
mod header;
mod identity;
mod input;
mod json;
mod list;
mod literal;
mod map;
mod on_fail;
mod parameters;
mod present;
mod projection;
mod provenance;
mod proxy;
mod request;
mod route;
mod scope;
mod sent;
mod shape;
mod stream;
mod subject;
mod template;
mod type_name;
mod union;
mod variant;
mod whole;

use std::time::Duration;

pub(crate) use scope::visit;

use fragment::Library;
use gaps::Gaps;
use identity::Identity;
use provenance::Bound;

use crate::definition::{Definitions, Nulls, View};
use crate::expr::Code;
use crate::plan::{
    Answers, CallSet, ClientField, Coverage, MAX_CALLS, OnFail, Plan, Projection, ProjectionId, Provenance, body_layout,
};
use crate::problem::{ErrorCode, Place, Problem, first};
use crate::schema::{Contracts, Int64, Kind, RecordId, Type};
use crate::yaml::Node;

/// What holds for every view though no file of it says so.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The deadline of a view that names none.
    pub deadline: Duration,
    /// The timeout of a call whose view and source name none.
    pub timeout: Duration,
    /// How long the server lets any request go on.
    pub longest: Duration,
    /// Paths, and all below them, that the server itself answers.
    pub reserved: &'static [&'static str],
    /// Requests to services that one answer may cost.
    pub max_requests: usize,
    /// How 64-bit integers are written where the contract does not say it.
    pub int64: Int64,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            deadline: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            longest: Duration::MAX,
            reserved: &[],
            max_requests: 100,
            int64: Int64::String,
        }
    }
}

/// Plans for all views; a view with problems has none.
pub fn check(definitions: &Definitions, contracts: &Contracts, rules: Rules) -> (Vec<Plan>, Vec<Problem>) {
    let views = &definitions.views;
    let routes = route::problems(views, rules.reserved);
    let fits: Vec<bool> = routes.iter().map(Vec::is_empty).collect();
    let mut problems: Vec<Problem> = routes.into_iter().flatten().collect();
    let (library, more) = Library::new(definitions, contracts);
    problems.extend(more);
    let mut plans = Vec::new();
    for (view, fits) in views.iter().zip(fits) {
        let (plan, more) = variant::planned(view, contracts, &library, rules);
        problems.extend(more);
        plans.extend(plan.filter(|_| fits));
    }
    (plans, first(problems))
}

/// A typed expression.
#[derive(Debug, Clone)]
struct Typed {
    ty: Type,
    /// Of a record, or of the records of a list: which of its fields are used here.
    projection: Option<ProjectionId>,
    code: Code,
    /// Every call it reads.
    reads: CallSet,
    from_client: bool,
    /// Of a 64-bit integer: as its contract wants it written.
    int64: Option<Int64>,
    identity: Option<Identity>,
}

impl Typed {
    fn new(ty: Type, code: Code) -> Typed {
        Typed { ty, projection: None, code, reads: CallSet::default(), from_client: false, int64: None, identity: None }
    }

    /// The client alone says what it is.
    fn is_of_client(&self) -> bool {
        self.from_client && self.reads.is_empty()
    }
}

/// What reading a call gives.
struct Reply {
    value: Typed,
    /// Of a batch: the type of its keys.
    key: Option<Type>,
}

struct Checker<'a> {
    view: &'a View,
    contracts: &'a Contracts,
    library: &'a Library<'a>,
    /// It cannot be planned because of a fragment whose problems are told elsewhere.
    blameless: bool,
    /// Of a variant: the calls that nothing is left to read.
    unread: Vec<usize>,
    nulls: Nulls,
    problems: Vec<Problem>,
    projections: Vec<Projection>,
    /// None of one whose type is a problem.
    params: Vec<Option<Type>>,
    body: Option<Typed>,
    /// All that is used of the body; what is read of a reply comes later.
    body_projections: std::ops::Range<usize>,
    /// Fields of the body's record that the view leaves out.
    hidden: Vec<String>,
    /// By index of the call; none where it is not checked, or has problems.
    replies: Vec<Option<Reply>>,
    /// What of every call's whole reply is used.
    reply_projections: Vec<Option<ProjectionId>>,
    /// Which headers of every call's reply are read.
    headers: Vec<Vec<String>>,
    optional: CallSet,
    /// Those of them that may have no reply at all, not even a default.
    lacking: CallSet,
    /// The calls that change something, and all that run behind one.
    changing: CallSet,
    used: CallSet,
    scope: Vec<(String, Typed)>,
    /// What each name of the scope is bound to.
    bound: Vec<Bound>,
    /// Where in `scope` the names begin that a fragment sees; none outside of fragments.
    fragment: Option<usize>,
    /// What the condition of the call that is being checked rules out to be null.
    present: Vec<Code>,
    /// What `$key` is here.
    key: Option<Typed>,
    /// Who asks may change the answer.
    personal: bool,
    /// By index of the call: its `on_fail`, until the whole view tells what is read of the defaults.
    on_fail: Vec<OnFail<Node>>,
    int64: Int64,
    locals: usize,
    /// Where in the answer the shape is being checked, and what every call's failure makes missing.
    pointer: Vec<String>,
    /// Parts of the shape so far, and how deep the present one lies.
    parts: usize,
    depth: usize,
    missing: Vec<Gaps>,
    values: Vec<Provenance>,
    /// Where in a request what is being checked is sent, and what of it is the client's.
    sending: Vec<String>,
    client_fields: Vec<ClientField>,
    /// The calls whose failure leaves members out, and those of them that the present member reads.
    omits: CallSet,
    noted: CallSet,
    /// What is being checked is a part of an expression.
    within_expr: bool,
    /// What is being checked stands in the item of a list.
    in_item: bool,
}

impl<'a> Checker<'a> {
    fn new(view: &'a View, contracts: &'a Contracts, library: &'a Library<'a>) -> Checker<'a> {
        Checker {
            view,
            contracts,
            library,
            blameless: false,
            unread: Vec::new(),
            nulls: view.nulls,
            fragment: None,
            problems: Vec::new(),
            projections: Vec::new(),
            params: Vec::new(),
            body: None,
            body_projections: 0..0,
            hidden: Vec::new(),
            replies: view.calls.iter().map(|_| None).collect(),
            reply_projections: view.calls.iter().map(|_| None).collect(),
            headers: view.calls.iter().map(|_| Vec::new()).collect(),
            optional: CallSet::default(),
            lacking: CallSet::default(),
            changing: CallSet::default(),
            used: CallSet::default(),
            scope: Vec::new(),
            bound: Vec::new(),
            present: Vec::new(),
            key: None,
            personal: false,
            on_fail: view.calls.iter().map(|_| OnFail::fail()).collect(),
            int64: Int64::default(),
            locals: 0,
            pointer: Vec::new(),
            parts: 0,
            omits: CallSet::default(),
            noted: CallSet::default(),
            within_expr: false,
            in_item: false,
            depth: 0,
            missing: view.calls.iter().map(|_| Gaps::default()).collect(),
            values: Vec::new(),
            sending: Vec::new(),
            client_fields: Vec::new(),
        }
    }

    fn plan(&mut self, rules: Rules) -> Option<Plan> {
        self.int64 = rules.int64;
        let view = self.view;
        self.access();
        self.misplaced();
        let params = self.params();
        let body = self.body();
        let proxy = self.proxy();
        if view.calls.len() > MAX_CALLS {
            self.problem(
                ErrorCode::TooMuch,
                &view.name.place,
                format!("a view makes at most {MAX_CALLS} calls"),
                "split it",
            );
            return None;
        }
        let order = self.order()?;
        let mut calls: Vec<_> = view.calls.iter().map(|_| None).collect();
        for i in order {
            calls[i] = self.call(i, rules);
        }
        let (stream, shape) = match &view.stream {
            Some(_) => self.stream(rules).unzip(),
            None => (None, view.shape.as_ref().and_then(|shape| self.shape(shape))),
        };
        let (headers, invalidates) = (self.headers_of_answer(), self.invalidates());
        let calls = calls.into_iter().collect::<Option<Vec<_>>>()?;
        let calls = self.finish(calls);
        let deadline = view.deadline.as_ref().map_or(rules.deadline, |deadline| deadline.value);
        let calls = self.effects(calls);
        self.in_time(&calls, deadline);
        self.in_server_time(rules.longest);
        self.affordable(&calls, rules.max_requests);
        let status = self.status();
        let body = body.map(|projection| {
            let required: Vec<String> =
                view.body.iter().flat_map(|b| &b.required).map(|r| crate::plan::camel_case(&r.value)).collect();
            body_layout(projection, &required, &self.projections, self.contracts)
        });
        Some(Plan {
            name: view.name.value.clone(),
            variant: view.variant.as_ref().map(|name| name.value.clone()),
            variants: Vec::new(),
            method: view.route.method.clone(),
            path: view.route.path.clone(),
            access: view.access.iter().map(|a| a.value.clone()).collect(),
            deadline,
            idempotency: view.idempotency.is_some(),
            status,
            headers,
            invalidates,
            proxy,
            params,
            body,
            calls,
            stream,
            shape,
            personal: self.personal,
            locals: self.locals,
            answers: Answers::default(),
            values: std::mem::take(&mut self.values),
        })
    }

    fn problem(&mut self, code: ErrorCode, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(code, place, message).help(help));
    }

    /// A new projection of the record, with nothing used.
    fn project(&mut self, record: RecordId) -> ProjectionId {
        self.projections.push(Projection { record, fields: Vec::new(), closed: false });
        ProjectionId(self.projections.len() - 1)
    }

    /// A new projection for the records within this type, if there are any.
    fn project_type(&mut self, ty: &Type) -> Option<ProjectionId> {
        match &ty.kind {
            Kind::Record(id) => Some(self.project(*id)),
            Kind::List(item) => self.project_type(item),
            Kind::Union(union) => Some(self.project(union.within)),
            Kind::Map(map) => {
                let entry = self.project(map.entry);
                self.use_field(entry, 0);
                self.use_field(entry, 1);
                Some(entry)
            }
            _ => None,
        }
    }

    /// Of the record and of those within it.
    fn coverage(&self, projection: Option<ProjectionId>) -> Coverage {
        let Some(projection) = projection.map(|id| &self.projections[id.0]) else { return Coverage::default() };
        let known = self.contracts.record(projection.record).fields.len();
        let here = Coverage { read: projection.fields.len(), of: known };
        projection
            .fields
            .iter()
            .map(|(_, inner)| self.coverage(*inner))
            .fold(here, |all, inner| Coverage { read: all.read + inner.read, of: all.of + inner.of })
    }

    /// The slot of a field, from now on used, and the projection within it.
    fn use_field(&mut self, projection: ProjectionId, field: usize) -> (u16, Option<ProjectionId>) {
        let fields = &self.projections[projection.0].fields;
        let position = fields.iter().position(|(f, _)| *f == field);
        let Ok(slot) = u16::try_from(position.unwrap_or(fields.len())) else {
            let place = self.view.name.place.clone();
            let message = "the view uses more than 65536 fields of one record";
            self.problem(ErrorCode::TooMuch, &place, message, "write fewer fields, or split the view");
            return (0, None);
        };
        if let Some(position) = position {
            return (slot, fields[position].1);
        }
        let record = self.contracts.record(self.projections[projection.0].record);
        let inner = self.project_type(&record.fields[field].ty);
        let fields = &mut self.projections[projection.0].fields;
        fields.push((field, inner));
        (slot, inner)
    }

    /// Notes that here in the answer something is missing where one of the calls has no reply.
    fn note(&mut self, reads: CallSet) {
        self.noted = self.noted.with(reads.only(self.omits));
        let here: String = self.pointer.iter().map(|step| format!("/{step}")).collect();
        for call in reads.only(self.optional).iter() {
            self.missing[call].add(&here);
        }
    }
}
