//! What codes are told from outside.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::identity::code::Rules;

/// `[identity.codes]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub rules: Rules,
    pub budgets: BudgetsConfig,
}

/// How many codes are sent at the most, whoever they are for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetsConfig {
    pub per_address_per_hour: u32,
    pub emails_per_hour: u32,
    pub sms_per_hour: u32,
    /// By how numbers begin; the longest beginning counts, and a number that begins like none gets no code.
    pub sms_per_day: BTreeMap<String, u32>,
}

impl Default for BudgetsConfig {
    fn default() -> Self {
        Self { per_address_per_hour: 20, emails_per_hour: 10_000, sms_per_hour: 1_000, sms_per_day: BTreeMap::new() }
    }
}

/// Longer would give guessing more time than a mail takes.
const MAX_LIFE_S: u32 = 600;

impl Config {
    pub fn problems(&self) -> Vec<String> {
        let Rules { email_life_s, sms_life_s, tries, tries_per_hour, tries_per_day, .. } = self.rules;
        let Rules { sends_per_hour, sends_per_day, .. } = self.rules;
        let BudgetsConfig { per_address_per_hour, emails_per_hour, sms_per_hour, .. } = self.budgets;
        let lives = [("email_life_s", email_life_s), ("sms_life_s", sms_life_s)];
        let wrong_lives = lives.into_iter().filter(|(_, seconds)| !(1..=MAX_LIFE_S).contains(seconds));
        let wrong_lives = wrong_lives.map(|(name, _)| format!("rules.{name}: must be 1 to {MAX_LIFE_S}"));
        let counts = [
            ("rules.tries", tries),
            ("rules.tries_per_hour", tries_per_hour),
            ("rules.tries_per_day", tries_per_day),
            ("rules.sends_per_hour", sends_per_hour),
            ("rules.sends_per_day", sends_per_day),
            ("budgets.per_address_per_hour", per_address_per_hour),
            ("budgets.emails_per_hour", emails_per_hour),
            ("budgets.sms_per_hour", sms_per_hour),
        ];
        let none = counts.into_iter().filter(|(_, count)| *count == 0);
        let none = none.map(|(name, _)| format!("{name}: must be at least 1"));
        let prefixes = self.budgets.sms_per_day.keys().filter(|prefix| !is_prefix(prefix));
        let prefixes = prefixes
            .map(|prefix| format!("budgets.sms_per_day: `{prefix}` must be a plus sign and digits, as in \"+44\""));
        wrong_lives.chain(none).chain(prefixes).map(|problem| format!("identity.codes.{problem}")).collect()
    }
}

fn is_prefix(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
