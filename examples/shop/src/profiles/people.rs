//! The customers: four known ones, and one invented, always the same, for any other UUID.

use uuid::Uuid;

use super::{Avatar, Profile};
use crate::account;

const GIVEN_NAMES: [&str; 8] = ["Amina", "Bela", "Chidi", "Dara", "Emil", "Farah", "Greta", "Hugo"];
const FAMILY_NAMES: [&str; 8] = ["Abara", "Berg", "Costa", "Duval", "Eriksen", "Fontane", "Greco", "Hart"];

pub fn find(id: &str) -> Option<Profile> {
    match id {
        account::USER => Some(customer(id)),
        account::OPERATOR => Some(operator(id)),
        account::AUDITOR => Some(auditor(id)),
        account::ADMIN => Some(admin(id)),
        _ => Uuid::try_parse(id).ok().map(invented),
    }
}

fn customer(id: &str) -> Profile {
    Profile {
        given_name: Some("Ada".to_owned()),
        family_name: Some("Lovelace".to_owned()),
        avatar: Some(Avatar {
            url: format!("https://images.shop.test/avatars/{id}.webp"),
            width: Some(256),
            height: Some(256),
        }),
        loyalty_enrolled: true,
        interests: vec!["kitchen", "stationery"],
        newsletter: true,
        member_since: "2023-05-17T08:30:00Z".to_owned(),
        ..person(id, "Ada Lovelace")
    }
}

fn operator(id: &str) -> Profile {
    Profile {
        given_name: Some("Grace".to_owned()),
        family_name: Some("Hopper".to_owned()),
        avatar: Some(Avatar { url: format!("https://images.shop.test/avatars/{id}.webp"), width: None, height: None }),
        loyalty_enrolled: true,
        locale: "en-GB",
        time_zone: "Europe/London",
        ..person(id, "Grace Hopper")
    }
}

fn auditor(id: &str) -> Profile {
    Profile {
        given_name: Some("Luca".to_owned()),
        family_name: Some("Pacioli".to_owned()),
        locale: "it-IT",
        time_zone: "Europe/Rome",
        ..person(id, "Luca Pacioli")
    }
}

/// Goes without a given name, so that the home screen has to greet by display name.
fn admin(id: &str) -> Profile {
    person(id, "Margaret Hamilton")
}

fn invented(id: Uuid) -> Profile {
    let bytes = id.as_bytes();
    let given = GIVEN_NAMES[usize::from(bytes[14]) % GIVEN_NAMES.len()];
    let family = FAMILY_NAMES[usize::from(bytes[15]) % FAMILY_NAMES.len()];
    Profile {
        given_name: Some(given.to_owned()),
        family_name: Some(family.to_owned()),
        ..person(&id.to_string(), &format!("{given} {family}"))
    }
}

fn person(id: &str, display_name: &str) -> Profile {
    Profile {
        id: id.to_owned(),
        display_name: display_name.to_owned(),
        given_name: None,
        family_name: None,
        avatar: None,
        loyalty_enrolled: false,
        locale: "en-US",
        time_zone: "America/New_York",
        currency: "USD",
        interests: Vec::new(),
        newsletter: false,
        member_since: "2024-01-08T12:00:00Z".to_owned(),
    }
}
