//! Fragments: each is checked once by itself, against its parameters' types; whoever uses one has to give those.

use super::assign::assignable;
use super::provenance::Bound;
use super::{Checker, Typed};
use crate::definition::{Definitions, Fragment, Item, Shape, Use, View};
use crate::expr::Code;
use crate::plan;
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Contracts, Kind, Type};

const MAX_FRAGMENTS: usize = 1_000;

/// The fragments that views can use.
pub(super) struct Library<'d> {
    entries: Vec<Entry<'d>>,
    unread: &'d [String],
}

struct Entry<'d> {
    fragment: &'d Fragment,
    /// What it is checked in: nothing.
    view: View,
    /// Its parameters' types; none before it is found to have no problems.
    types: Option<Vec<Type>>,
}

impl<'d> Library<'d> {
    /// Checks every fragment after those that it uses.
    pub fn new(definitions: &'d Definitions, contracts: &Contracts) -> (Library<'d>, Vec<Problem>) {
        let mut problems = Vec::new();
        let entry = |fragment: &'d Fragment| Entry { fragment, view: View::bare(&fragment.name), types: None };
        let entries: Vec<Entry<'d>> = definitions.fragments.iter().take(MAX_FRAGMENTS).map(entry).collect();
        let mut library = Library { entries, unread: &definitions.unread };
        if let Some(fragment) = definitions.fragments.get(MAX_FRAGMENTS) {
            let message = format!("there are more than {MAX_FRAGMENTS} fragments");
            problems.push(Problem::new(ErrorCode::TooMuch, &fragment.name.place, message).help("remove some"));
        }
        problems.extend(library.names());
        let needs: Vec<Vec<usize>> = library.entries.iter().map(|entry| library.needs(&entry.fragment.shape)).collect();
        let mut done = vec![false; needs.len()];
        while let Some(i) = (0..needs.len()).find(|i| !done[*i] && needs[*i].iter().all(|need| done[*need])) {
            done[i] = true;
            let (types, found) = library.check(i, contracts);
            problems.extend(found.into_iter().map(|problem| noted(problem, &library.entries[i], definitions)));
            library.entries[i].types = types;
        }
        problems.extend(library.cycles(&needs, &done));
        (library, problems)
    }

    fn find(&self, name: &str) -> Option<&Entry<'d>> {
        self.entries.iter().find(|entry| entry.fragment.name.value == name)
    }

    fn names(&self) -> Vec<Problem> {
        let twice = self.entries.iter().enumerate().filter_map(|(i, entry)| {
            let name = &entry.fragment.name;
            let first = self.entries[..i].iter().find(|other| other.fragment.name.value == name.value)?;
            let Place { file, line, .. } = &first.fragment.name.place;
            let message = format!("another fragment is named `{}`", name.value);
            let help = format!("choose another name; see {}:{line}", file.name);
            Some(Problem::new(ErrorCode::Duplicate, &name.place, message).help(help))
        });
        twice.collect()
    }

    /// The fragments that a shape uses.
    fn needs(&self, shape: &Shape) -> Vec<usize> {
        let named = |used: &&Use| self.entries.iter().position(|e| e.fragment.name.value == used.fragment.value);
        uses(shape).iter().filter_map(named).collect()
    }

    fn check(&self, i: usize, contracts: &Contracts) -> (Option<Vec<Type>>, Vec<Problem>) {
        let Entry { fragment, view, .. } = &self.entries[i];
        let mut checker = Checker::new(view, contracts, self);
        checker.fragment = Some(0);
        let types: Vec<Option<Type>> = fragment.params.iter().map(|(_, ty)| checker.type_name(ty)).collect();
        let types: Option<Vec<Type>> = types.into_iter().collect();
        let planned = types.as_ref().and_then(|types| {
            let argument = |(i, ty): (usize, &Type)| {
                let projection = checker.project_type(ty);
                Typed { projection, ..Typed::new(ty.clone(), Code::Local(i)) }
            };
            let arguments = types.iter().enumerate().map(argument).collect();
            checker.with_arguments(fragment, arguments)
        });
        (types.filter(|_| planned.is_some() && checker.problems.is_empty()), checker.problems)
    }

    /// What waits for itself.
    fn cycles(&self, needs: &[Vec<usize>], done: &[bool]) -> Vec<Problem> {
        let mut stuck: Vec<usize> = (0..needs.len()).filter(|i| !done[*i]).collect();
        // What nothing stuck needs only waits for a cycle: it is no part of one.
        while let Some(at) = stuck.iter().position(|i| !stuck.iter().any(|other| needs[*other].contains(i))) {
            stuck.remove(at);
        }
        let name = |i: &usize| format!("`{}`", self.entries[*i].fragment.name.value);
        let Some(first) = stuck.first() else { return Vec::new() };
        let place = &self.entries[*first].fragment.name.place;
        let message = match &stuck[..] {
            [only] => format!("the fragment {} uses itself", name(only)),
            all => format!("the fragments {} use each other", all.iter().map(name).collect::<Vec<_>>().join(", ")),
        };
        vec![Problem::new(ErrorCode::Cycle, place, message).help("a payload has an end: write one of the levels out")]
    }
}

/// The problem with a word on who uses the fragment it is in.
fn noted(problem: Problem, entry: &Entry<'_>, definitions: &Definitions) -> Problem {
    let views = definitions.views.iter().filter_map(|view| view.shape.as_ref());
    let shapes = views.chain(definitions.fragments.iter().map(|fragment| &fragment.shape));
    let used: Vec<&Use> =
        shapes.flat_map(uses).filter(|used| used.fragment.value == entry.fragment.name.value).collect();
    let Some(Place { file, line, .. }) = used.first().map(|used| &used.place) else { return problem };
    let more = if used.len() > 1 { format!(", and {} times more", used.len() - 1) } else { String::new() };
    problem.note(format!("used at {}:{line}{more}", file.name))
}

/// Every use of a fragment in the shape.
fn uses(shape: &Shape) -> Vec<&Use> {
    match shape {
        Shape::Expr(_) => Vec::new(),
        Shape::Object(members) => members.iter().flat_map(|(_, shape)| uses(shape)).collect(),
        Shape::List(list) => list.item.iter().flat_map(uses_of_item).collect(),
        Shape::Of { item, .. } => uses_of_item(item),
        Shape::Union { cases, .. } => {
            cases.iter().filter_map(|(_, item)| item.as_ref()).flat_map(uses_of_item).collect()
        }
        Shape::Use(used) => vec![used],
    }
}

fn uses_of_item(item: &Item) -> Vec<&Use> {
    match item {
        Item::Shape(shape) => uses(shape),
        Item::Pick(_) | Item::Omit(_) => Vec::new(),
    }
}

impl<'a> Checker<'a> {
    /// `use: order-line(l)`.
    pub(super) fn used(&mut self, used: &Use) -> Option<plan::Shape> {
        let name = &used.fragment;
        self.grow(&name.place)?;
        let library = self.library;
        let Some(entry) = library.find(&name.value) else {
            if library.unread.contains(&name.value) {
                self.blameless = true;
                return None;
            }
            let problem =
                Problem::new(ErrorCode::UnknownName, &name.place, format!("there is no fragment `{}`", name.value));
            let known = library.entries.iter().map(|entry| entry.fragment.name.value.as_str());
            self.problems.push(problem.suggest(&name.value, known));
            return None;
        };
        let arguments = self.apart(used);
        let Some(types) = &entry.types else {
            self.blameless = true;
            return None;
        };
        if arguments.len() != types.len() {
            let takes: Vec<&str> = entry.fragment.params.iter().map(|(name, _)| name.value.as_str()).collect();
            let plural = if types.len() == 1 { "" } else { "s" };
            let message = format!("`{}` takes {} argument{plural}, not {}", name.value, types.len(), arguments.len());
            let help = format!("write `use: {}({})`", name.value, takes.join(", "));
            self.problem(ErrorCode::WrongForm, &name.place, message, help);
            return None;
        }
        let fitting: Vec<Option<Typed>> = arguments
            .into_iter()
            .zip(types)
            .zip(&used.arguments)
            .map(|((argument, ty), expr)| {
                let here = self.at(expr, &used.place);
                self.fitting(argument?, ty, &here)
            })
            .collect();
        let fitting = fitting.into_iter().collect::<Option<Vec<_>>>()?;
        let outside = self.fragment.replace(self.scope.len());
        let planned = self.with_arguments(entry.fragment, fitting);
        self.fragment = outside;
        planned
    }

    /// Each argument where those before it are bound: what it binds itself must not take their locals.
    fn apart(&mut self, used: &Use) -> Vec<Option<Typed>> {
        let before = self.scope.len();
        let mut arguments = Vec::new();
        for argument in &used.arguments {
            arguments.push(self.expr(argument, &used.place));
            self.scope.push((String::new(), Typed::new(Type::optional(Kind::Json), Code::Null)));
            self.bound.push(Bound::default());
        }
        self.scope.truncate(before);
        self.bound.truncate(before);
        arguments
    }

    /// The argument as a value of the parameter's type.
    fn fitting(&mut self, mut argument: Typed, ty: &Type, here: &Place) -> Option<Typed> {
        if argument.ty.nullable && !ty.nullable {
            let help = "give it within `of: ... as x` and `item:`, or put `?` behind the parameter's type";
            self.problem(ErrorCode::Nullable, here, "this may be null, and the fragment takes no null", help);
            return None;
        }
        if !assignable(&argument, &argument.ty.kind, &ty.kind) {
            let (has, wants) = (self.contracts.describe(&argument.ty), self.contracts.describe(ty));
            let message = format!("this is {has}, but the fragment takes {wants}");
            self.problem(ErrorCode::WrongType, here, message, "give a value of that type, or change the parameter's");
            return None;
        }
        argument.ty = ty.clone();
        Some(argument)
    }

    /// The fragment's shape with its parameters bound, so that each is evaluated once.
    fn with_arguments(&mut self, fragment: &'a Fragment, arguments: Vec<Typed>) -> Option<plan::Shape> {
        let before = self.scope.len();
        let sources: Vec<Bound> = arguments.iter().map(|argument| self.lent(argument)).collect();
        self.bound.extend(sources);
        let mut codes = Vec::new();
        for (local, ((name, _), mut value)) in (before..).zip(fragment.params.iter().zip(arguments)) {
            codes.push((local, std::mem::replace(&mut value.code, Code::Local(local))));
            self.scope.push((name.value.clone(), value));
        }
        self.locals = self.locals.max(self.scope.len());
        let shape = self.shape(&fragment.shape);
        self.scope.truncate(before);
        self.bound.truncate(before);
        let bound =
            |item: plan::Shape, (local, of): (usize, Code)| plan::Shape::Let { of, local, item: Box::new(item) };
        Some(codes.into_iter().rev().fold(shape?, bound))
    }

    /// None, with a problem, within a fragment.
    pub(super) fn outside_of_fragments(&mut self, variable: &str, here: &Place) -> Option<()> {
        if self.fragment.is_none() {
            return Some(());
        }
        let help = "add a parameter for it, and give it where the fragment is used";
        self.problem(ErrorCode::UnknownName, here, format!("a fragment sees its parameters, not `${variable}`"), help);
        None
    }
}
