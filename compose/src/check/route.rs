//! Routes and names across all views.

use std::collections::HashMap;

use crate::definition::{Route, View};
use crate::problem::{ErrorCode, Problem};

/// Those of each view.
pub(super) fn problems<'v>(views: &'v [View], reserved: &[&str]) -> Vec<Vec<Problem>> {
    let (mut named, mut routed) = (HashMap::<&String, &View>::new(), HashMap::<&str, Vec<&View>>::new());
    let of_view = |view: &'v View| {
        let route = &view.route;
        let mut problems: Vec<Problem> = path(route).into_iter().collect();
        if let Some(taken) = reserved.iter().find(|r| is_below(&route.path, r)) {
            problems.push(
                Problem::new(ErrorCode::RouteConflict, &route.place, format!("the server itself answers `{taken}`"))
                    .help("choose another path"),
            );
        }
        let beside = routed.entry(literal(&view.route.path)).or_default();
        let same = named.get(&view.name.value).copied();
        problems.extend(same.into_iter().chain(beside.iter().copied()).find_map(|other| conflict(view, other)));
        named.entry(&view.name.value).or_insert(view);
        beside.push(view);
        problems
    };
    views.iter().map(of_view).collect()
}

/// What a path begins with, up to its first parameter. Where that differs, routes can stand beside each other.
fn literal(path: &str) -> &str {
    path.split('{').next().unwrap_or_default()
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What one segment of a path is.
fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn path(route: &Route) -> Option<Problem> {
    let segments: Vec<&str> = route.path.split('/').skip(1).collect();
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    let named = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some((before, "")) = route.path.rsplit_once('/').filter(|(before, _)| !before.is_empty()) {
        let help = format!("write `{} {before}`", route.method);
        return Some(Problem::new(ErrorCode::Route, &route.place, "a path does not end with `/`").help(help));
    }
    let wrong = segments.iter().find(|segment| !parameter(segment).map_or_else(|| plain(segment), named));
    if let Some(segment) = wrong {
        let message = format!("`{segment}` cannot be a part of a path");
        return Some(
            Problem::new(ErrorCode::Route, &route.place, message)
                .help("parts are ASCII letters, digits and `-._~`, or a parameter `{name}`"),
        );
    }
    let names: Vec<&str> = segments.iter().filter_map(|s| parameter(s)).collect();
    let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name))?;
    Some(
        Problem::new(ErrorCode::Duplicate, &route.place, format!("the path has the parameter `{}` twice", twice.1))
            .help("give each its own name"),
    )
}

/// Two views of one name, of one route, or of routes that cannot stand beside each other.
fn conflict(view: &View, other: &View) -> Option<Problem> {
    let at = |place: &crate::problem::Place| format!("see {}:{}", place.file.name, place.line);
    if view.name.value == other.name.value {
        let message = format!("another view is named `{}`", view.name.value);
        return Some(Problem::new(ErrorCode::Duplicate, &view.name.place, message).help(at(&other.name.place)));
    }
    let (mine, theirs) = (|| view.route.path.split('/'), || other.route.path.split('/'));
    for (a, b) in mine().zip(theirs()) {
        match (parameter(a), parameter(b)) {
            (Some(a), Some(b)) if a != b => {
                let message = format!("the view `{}` names this part of the path `{b}`, not `{a}`", other.name.value);
                return Some(
                    Problem::new(ErrorCode::RouteConflict, &view.route.place, message)
                        .help(format!("use one name; {}", at(&other.route.place))),
                );
            }
            _ if a != b => return None,
            _ => {}
        }
    }
    let same = mine().count() == theirs().count() && view.route.method == other.route.method;
    same.then(|| {
        let message = format!("the view `{}` has this route already", other.name.value);
        Problem::new(ErrorCode::RouteConflict, &view.route.place, message).help(at(&other.route.place))
    })
}
