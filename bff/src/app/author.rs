//! What whoever writes views asks the command line.

use super::StartError;
use crate::config::Config;
use crate::http;
use crate::upstream;
use crate::views::explain::{Explanation, Value};
use crate::views::{Draft, nearest};

/// The plan of a view, or where the value at `pointer` of its answer comes from.
pub fn explain(config: &Config, name: &str, pointer: Option<&str>) -> Result<String, StartError> {
    let draft = Draft::read(&config.views, &config.sources, &http::RESERVED);
    let Some((view, plan)) = draft.view(name) else {
        return Err(unexplained(draft, name));
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

/// No view has the name, or the one that has it is not right.
fn unexplained(draft: Draft, name: &str) -> StartError {
    let names: Vec<&str> = draft.definitions.views.iter().map(|view| view.name.value.as_str()).collect();
    if !draft.faults.is_empty() && (names.contains(&name) || names.is_empty()) {
        return StartError::Views(draft.into_error());
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
