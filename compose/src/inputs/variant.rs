//! Which variant of a view a client asks for.

use std::sync::Arc;

use super::{InputError, InputPlace};
use crate::plan::Plan;
use crate::problem::nearest;

/// The query parameter; the header says it where the query does not.
pub const VARIANT: &str = "variant";
pub const VARIANT_HEADER: &str = "bff-variant";

/// The plan to run: that of the variant that was asked for, or the view's own. A view without variants looks at nothing.
pub fn variant<'p>(
    plan: &'p Arc<Plan>,
    query: &str,
    header: &dyn Fn(&str) -> Option<String>,
) -> Result<&'p Arc<Plan>, InputError> {
    if plan.variants.is_empty() {
        return Ok(plan);
    }
    let mut in_query = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == VARIANT);
    let first = in_query.next();
    if in_query.next().is_some() {
        let at = InputPlace::Parameter(VARIANT.to_owned());
        return Err(InputError { at, code: "duplicate", message: "is given more than once".to_owned() });
    }
    let asked = match first {
        Some((_, name)) => Some((VARIANT, name.into_owned())),
        None => header(VARIANT_HEADER).map(|name| (VARIANT_HEADER, name)),
    };
    let Some((parameter, name)) = asked else { return Ok(plan) };
    plan.variant(&name).ok_or_else(|| {
        let known: Vec<&str> = plan.variants.iter().filter_map(|plan| plan.variant.as_deref()).collect();
        let message = match nearest(&name, &known) {
            Some(near) => format!("is not a variant of this view; did you mean `{near}`?"),
            None => format!("is not a variant of this view; known: {}", known.join(", ")),
        };
        InputError { at: InputPlace::Parameter(parameter.to_owned()), code: "unknown", message }
    })
}
