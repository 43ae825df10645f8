//! A view with its variants: each is checked as a view of its own, without the calls that it has no use for.

use std::sync::Arc;

use super::fragment::Library;
use super::{Checker, Rules};
use crate::definition::{ParamLocation, View};
use crate::plan::Plan;
use crate::problem::{ErrorCode, Problem};
use crate::schema::Contracts;

/// None where the view or one of its variants has problems.
pub(super) fn planned(
    view: &View,
    contracts: &Contracts,
    library: &Library<'_>,
    rules: Rules,
) -> (Option<Plan>, Vec<Problem>) {
    let (plan, mut problems, _) = once(view, contracts, library, rules);
    problems.extend(reserved(view));
    let Some(mut plan) = plan.filter(|_| problems.is_empty()) else { return (None, problems) };
    for variant in &view.variants {
        let (planned, found) = pruned(variant.clone(), contracts, library, rules);
        problems.extend(found.into_iter().map(|problem| in_variant(problem, variant)));
        plan.variants.extend(planned.map(Arc::new));
    }
    (problems.is_empty().then_some(plan), problems)
}

/// What checking comes to, and the calls that nothing reads.
fn once(
    view: &View,
    contracts: &Contracts,
    library: &Library<'_>,
    rules: Rules,
) -> (Option<Plan>, Vec<Problem>, Vec<usize>) {
    let mut checker = Checker::new(view, contracts, library);
    let plan = checker.plan(rules);
    let Checker { mut problems, blameless, unread, .. } = checker;
    if plan.is_none() && problems.is_empty() && !blameless {
        problems.push(
            Problem::new(ErrorCode::Conflict, &view.name.place, "this view cannot be checked")
                .help("please report this, with the file: a check that fails says why"),
        );
    }
    (plan.filter(|_| problems.is_empty() && !blameless), problems, unread)
}

/// The variant without the calls that only what it leaves out has read.
fn pruned(mut view: View, contracts: &Contracts, library: &Library<'_>, rules: Rules) -> (Option<Plan>, Vec<Problem>) {
    loop {
        let (plan, problems, unread) = once(&view, contracts, library, rules);
        if unread.is_empty() || !problems.is_empty() {
            return (plan, problems);
        }
        let calls = std::mem::take(&mut view.calls);
        view.calls = calls.into_iter().enumerate().filter(|(i, _)| !unread.contains(i)).map(|(_, call)| call).collect();
    }
}

fn in_variant(problem: Problem, view: &View) -> Problem {
    let name = view.variant.as_ref().map(|name| name.value.as_str()).unwrap_or_default();
    problem.note(format!("in the variant `{name}`"))
}

/// Parameters by whose names variants are chosen.
fn reserved(view: &View) -> Vec<Problem> {
    let taken = |location, name: &str| match location {
        ParamLocation::Path => false,
        ParamLocation::Query => name == "variant",
        ParamLocation::Header => name.eq_ignore_ascii_case("bff-variant"),
    };
    let params =
        view.params.iter().filter(|param| !view.variants.is_empty() && taken(param.location, &param.name.value));
    let problem = |name: &str, place| {
        let message = format!("`{name}` chooses between this view's variants");
        Problem::new(ErrorCode::Conflict, place, message).help("choose another name")
    };
    params.map(|param| problem(&param.name.value, &param.name.place)).collect()
}
