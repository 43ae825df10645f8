//! Settings with which nothing would arrive are named before the server starts.

use std::collections::BTreeMap;

use bff::app;
use bff::config::{self, Config};

fn load(settings: &str) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.toml");
    std::fs::write(&path, settings).unwrap();
    let problems = |problems: config::Problems| problems.to_string().lines().map(str::to_owned).collect();
    config::load(&[path], &BTreeMap::new()).map_err(problems)
}

const PRODUCTION: &str = "environment = 'production'\n[http]\npublic_url = 'https://api.example.com'\n";

#[test]
fn production_sends_codes_or_says_that_it_does_not() {
    let nothing = load(PRODUCTION).unwrap_err();
    assert!(nothing[0].starts_with("notify: production sends codes: set notify.smtp.server"), "{nothing:?}");
    for way in [
        "[notify]\ndeliver = 'off'",
        "[notify.smtp]\nserver = 'mail.test:587'\nfrom = 'no-reply@shop.test'",
        "[notify.sms]\nurl = 'https://sms.test/send'",
    ] {
        load(&format!("{PRODUCTION}{way}")).unwrap();
    }
}

#[test]
fn codes_and_passwords_do_not_cross_the_network_in_the_clear() {
    let smtp = |host: &str, more: &str| {
        format!("[notify.smtp]\nserver = '{host}:25'\ntls = 'none'\nfrom = 'a@shop.test'\n{more}")
    };
    let login = "username = 'shop'\npassword = 'secret'";
    let problem = "notify.smtp.tls: \"none\" is for development and for a server on this machine: it shows codes and \
                   passwords to the network";
    assert_eq!(load(&smtp("mail.test", login)).unwrap_err(), [problem]);
    assert_eq!(load(&format!("{PRODUCTION}{}", smtp("mail.test", ""))).unwrap_err(), [problem]);
    load(&smtp("mail.test", "")).unwrap();
    for here in ["localhost", "127.0.0.1", "[::1]"] {
        load(&format!("{PRODUCTION}{}", smtp(here, login))).unwrap();
    }
    let sms = "[notify.sms]\nurl = 'http://sms.test/send'";
    let problem = "notify.sms.url: production needs https: the texts hold codes";
    assert_eq!(load(&format!("{PRODUCTION}{sms}")).unwrap_err(), [problem]);
    load(sms).unwrap();
}

#[test]
fn every_problem_is_told() {
    let wrong = "
        [notify]
        site = \"Shop\\r\\nBcc: eve@evil.test\"
        [notify.smtp]
        server = 'mail.test'
        from = 'nobody'
        username = 'shop'
        timeout_ms = 60_000
        [notify.sms]
        url = 'sms.test'
        method = 'PO ST'
        bearer = 'a'
        username = 'b'
        password = 'c'
        headers = { 'x y' = '1' }
        body = '{\"to\":{to}}'
        success = []
        timeout_ms = 0
    ";
    assert_eq!(
        load(wrong).unwrap_err(),
        [
            "notify.site: expected 1 to 40 characters in one line",
            "notify.smtp.server: expected HOST:PORT, as in smtp.example.com:587",
            "notify.smtp.from: expected an address, as in \"Shop <no-reply@shop.test>\"",
            "notify.smtp: username and password go together",
            "notify.smtp.timeout_ms: must be from 1 to 30000",
            "notify.sms.url: expected http://HOST/PATH or https://HOST/PATH",
            "notify.sms.method: expected a method, as in \"POST\"",
            "notify.sms.headers: expected names and values of HTTP headers",
            "notify.sms: bearer and password exclude each other",
            "notify.sms: {to} and {text} must stand in `body` or in the query of `url`",
            "notify.sms.body: is no JSON; values stand within a text, as in {\"to\":\"{to}\"}",
            "notify.sms.success: expected at least one status",
            "notify.sms.timeout_ms: must be from 1 to 30000",
        ]
    );
    let secret = load("[notify.smtp]\nserver = 'mail.test:25'\npassword = 'a secret'").unwrap_err();
    assert!(!secret.concat().contains("a secret"), "{secret:?}");
}

#[test]
fn files_are_looked_at_before_the_server_starts() {
    app::install_crypto();
    let mut config =
        load("[notify.smtp]\nserver = 'mail.test:25'\nfrom = 'a@shop.test'\ntls_ca = '/away/ca.pem'").unwrap();
    config.notify.templates = Some("/away/texts".into());
    config.views.dir = tempfile::tempdir().unwrap().path().display().to_string();
    let problems = app::check(&config).unwrap_err().to_string();
    for problem in [
        "notify.templates: cannot read /away/texts: No such file or directory",
        "notify.smtp.tls_ca: cannot use /away/ca.pem: No such file or directory",
    ] {
        assert!(problems.contains(problem), "{problems}");
    }
}
