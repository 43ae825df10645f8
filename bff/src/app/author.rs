//! What whoever writes views asks the command line.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::StartError;
use crate::config::Config;
use crate::http;
use crate::upstream;
use crate::views::definition::View;
use crate::views::explain::{Explanation, Value};
use crate::views::plan::Plan;
use crate::views::schema::Operation;
use crate::views::{Draft, LoadError, file_schema, nearest, scaffold};

/// The plan of a view or of one of its variants, or where the value at `pointer` of its answer comes from.
pub fn explain(
    config: &Config,
    name: &str,
    pointer: Option<&str>,
    variant: Option<&str>,
) -> Result<String, StartError> {
    let draft = draft(config);
    let Some((view, plan)) = draft.view(name) else {
        return Err(unexplained(draft, name));
    };
    let (view, plan) = match variant {
        Some(variant) => of_variant(view, plan, variant)?,
        None => (view, plan),
    };
    match pointer {
        Some(pointer) => match Value::find(plan, pointer) {
            Ok(value) => Ok(value.to_string()),
            Err(unknown) => Err(StartError::Several(vec![unknown])),
        },
        None => {
            let identity = |source: &str| config.sources.get_key_value(source).map_or_else(String::new, identity);
            Ok(Explanation { view, plan, identity: &identity }.to_string())
        }
    }
}

fn draft(config: &Config) -> Draft {
    Draft::read(&config.views, &config.sources, http::terms(&config.http))
}

fn of_variant<'a>(view: &'a View, plan: &'a Plan, variant: &str) -> Result<(&'a View, &'a Plan), StartError> {
    let written = view.variants.iter().find(|view| view.variant.as_ref().is_some_and(|name| name.value == variant));
    written.zip(plan.variant(variant).map(AsRef::as_ref)).ok_or_else(|| {
        let names: Vec<&str> = plan.variants.iter().filter_map(|plan| plan.variant.as_deref()).collect();
        let help = match (nearest(variant, &names), names.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => "it has none".to_owned(),
            (None, false) => format!("it has {}", names.join(", ")),
        };
        StartError::Several(vec![format!("the view `{}` has no variant `{variant}`; {help}", plan.name)])
    })
}

/// Writes a first version of a view that makes these calls, and says so; without any, lists what can be called.
pub fn new_view(config: &Config, view: Option<&str>, operations: &[String]) -> Result<String, StartError> {
    let refused = |why: String| StartError::Several(vec![why]);
    let draft = draft(config);
    let (Some(view), false) = (view, operations.is_empty()) else {
        return Ok(listed(&draft, view));
    };
    if draft.definitions.views.iter().any(|other| other.name.value == view) {
        return Err(refused(format!("there is a view `{view}` already")));
    }
    let text = scaffold(&draft.contracts, view, operations).map_err(refused)?;
    let path = Path::new(&config.views.dir).join(format!("{view}.yaml"));
    let cannot = |error: std::io::Error| refused(format!("cannot write {}: {error}", path.display()));
    let mut file = File::options().write(true).create_new(true).open(&path).map_err(cannot)?;
    file.write_all(text.as_bytes()).map_err(cannot)?;
    Ok(format!("{text}\nwritten to {}; `bff explain {view}` says what it does\n", path.display()))
}

/// Every operation with the command that makes a view of it.
fn listed(draft: &Draft, view: Option<&str>) -> String {
    let mut text = String::new();
    for (source, contract) in &draft.contracts.sources {
        let calls = contract.operations.values().map(|operation| (operation, effect(operation)));
        let streams = contract.streams.values().map(|operation| (operation, "streams"));
        for (operation, effect) in calls.chain(streams) {
            let name = view.map_or_else(|| view_name(&operation.name), str::to_owned);
            text += &format!("{effect:8} bff new {name} {source}/{}\n", operation.name);
        }
    }
    text
}

fn effect(operation: &Operation) -> &'static str {
    if operation.safe { "reads" } else { "changes" }
}

/// `orders.v1.OrderService.GetOrder` to `get-order`.
fn view_name(operation: &str) -> String {
    let last = operation.rsplit('.').next().unwrap_or(operation);
    let mut name = String::new();
    for c in last.chars().filter(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The JSON Schema of view files, for editors.
pub fn schema() -> &'static str {
    file_schema()
}

/// No view has the name, or the one that has it is not right.
fn unexplained(draft: Draft, name: &str) -> StartError {
    let names: Vec<&str> = draft.definitions.views.iter().map(|view| view.name.value.as_str()).collect();
    if !draft.faults.is_empty() && (names.contains(&name) || names.is_empty()) {
        return StartError::Views(draft.into_error());
    }
    if draft.faults.iter().any(|fault| fault.is_within(name)) {
        let faults = draft.faults.into_iter().filter(|fault| fault.is_within(name)).collect();
        return StartError::Views(LoadError::new(faults, 0));
    }
    let help = match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names.join(", ")),
    };
    StartError::Several(vec![format!("no view is named `{name}`; {help}")])
}

fn identity((name, source): (&String, &upstream::Config)) -> String {
    match source.identity {
        upstream::Identity::None => format!("nobody: `{name}` is not told who asks"),
        upstream::Identity::Token => {
            let audience = source.audience.as_ref().unwrap_or(name);
            format!("the caller: a short token in their name, for `{audience}`")
        }
    }
}
