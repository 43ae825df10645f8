//! Where settings come from, and what is said about wrong ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bff::config::{self, Config};
use bff::upstream::Identity;
use secrecy::ExposeSecret;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("test.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_default_file_states_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, config::DEFAULTS);
    let mut written = config::load(&[path], &BTreeMap::new()).unwrap();
    assert_eq!(written.sources.keys().collect::<Vec<_>>(), ["catalog", "loyalty", "orders", "profiles"]);
    assert_eq!(written.sources["orders"].identity, Identity::Token);
    written.sources.clear();
    assert_eq!(format!("{written:#?}"), format!("{:#?}", Config::default()));
}

#[test]
fn a_later_file_lies_over_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first.toml", "second.toml"].map(|name| folder.path().join(name));
    std::fs::write(&first, "[http]\ntimeout_ms = 1\ndrain_ms = 2\n[sources.a]\nhttp = 'http://a'").unwrap();
    std::fs::write(&second, "[http]\ntimeout_ms = 3\n[sources.a]\ntimeout_ms = 4\n[sources.b]").unwrap();
    let config = config::load(&[first, second], &BTreeMap::new()).unwrap();
    assert_eq!((config.http.timeout_ms, config.http.drain_ms), (3, 2));
    assert_eq!((config.sources["a"].http.as_deref(), config.sources["a"].timeout_ms), (Some("http://a"), 4));
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["a", "b"], "the example's sources are gone");
}

#[test]
fn the_environment_lies_over_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        file(&folder, "[http]\nlisten = '127.0.0.1:1000'\ntimeout_ms = 5\n[sources.orders]\ngrpc = 'http://a:1'");
    let variables = variables(&[
        ("BFF__HTTP__LISTEN", "127.0.0.1:2000"),
        ("BFF__HTTP__MAX_BODY_BYTES", "42"),
        ("BFF__SOURCES__ORDERS__GRPC", "http://b:2"),
        ("BFF__SOURCES__ORDERS__AUDIENCE", "7"),
        ("RUST_LOG", "bff=debug"),
        ("HOME", "/somewhere"),
    ]);
    let config = config::load(&[path], &variables).unwrap();
    assert_eq!(config.http.listen.port(), 2000);
    assert_eq!((config.http.max_body_bytes, config.http.timeout_ms), (42, 5));
    assert_eq!(config.sources["orders"].grpc.as_deref(), Some("http://b:2"));
    assert_eq!(config.sources["orders"].audience.as_deref(), Some("7"));
    assert_eq!(config.telemetry.level, "bff=debug");
    assert_eq!(config.http.public_url(), "http://127.0.0.1:2000");
}

#[test]
fn a_secret_file_lies_over_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "");
    let secret = folder.path().join("secret").display().to_string();
    std::fs::write(&secret, "\"exactly as it is\" = 1\n").unwrap();
    let away = folder.path().join("away").display().to_string();
    let variables = variables(&[
        ("BFF__ADMIN__TOKEN", "a token of the environment"),
        ("BFF__ADMIN__TOKEN_FILE", &secret),
        // An option that names a file itself.
        ("BFF__IDENTITY__MASTER_KEY_FILE", &away),
    ]);
    let config = config::load(std::slice::from_ref(&path), &variables).unwrap();
    assert_eq!(config.admin.token.unwrap().expose_secret(), "\"exactly as it is\" = 1");
    assert_eq!(config.identity.master_key_file.unwrap().display().to_string(), away);
}

#[test]
fn a_secret_file_that_is_no_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "");
    let large = folder.path().join("large").display().to_string();
    std::fs::write(&large, vec![b'x'; 65 * 1024]).unwrap();
    let variables = variables(&[
        ("BFF__ADMIN__TOKEN_FILE", "/away/token"),
        ("BFF__HTTP__DRAIN_MS_FILE", "/away/number"),
        ("BFF__STORE__DATABASE_URL_FILE", &large),
    ]);
    let problems = config::load(&[path], &variables).unwrap_err().to_string();
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines[0], "BFF__ADMIN__TOKEN_FILE: cannot read /away/token: No such file or directory (os error 2)");
    assert!(lines[1].starts_with("BFF__HTTP__DRAIN_MS_FILE: there is no option `drain_ms_file`; "), "{}", lines[1]);
    assert_eq!(lines[2], format!("BFF__STORE__DATABASE_URL_FILE: cannot read {large}: larger than 65536 bytes"));
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "[http]\nlisten = 'nowhere'\ntimeout = 5\n\n[sources.orders]\ngrcp = 'x'\nidentity = 'tokn'\n[htpp]\na = 1\n";
    let path = file(&folder, text);
    let variables = variables(&[("BFF__HTTP__LISTN", "1"), ("BFF__HTTP__TIMEOUT_MS", "soon")]);
    let problems = config::load(&[path], &variables).unwrap_err().to_string();
    let mut lines: Vec<_> =
        problems.lines().map(|line| line.split_once("test.toml:").map_or(line, |(_, at)| at)).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "2:10: invalid socket address syntax",
            "3:1: there is no option `timeout`; did you mean `timeout_ms`?",
            "6:1: there is no option `grcp`; did you mean `grpc`?",
            "7:12: there is no value `tokn`; did you mean `token`?",
            "8:2: there is no option `htpp`; did you mean `http`?",
            "BFF__HTTP__LISTN: there is no option `listn`; did you mean `listen`?",
            "BFF__HTTP__TIMEOUT_MS: invalid type: string \"soon\", expected u64",
        ]
    );
}

#[test]
fn broken_syntax_and_missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "[http\nlisten = 1");
    let problem = config::load(&[path], &BTreeMap::new()).unwrap_err().to_string();
    assert!(problem.contains("test.toml:1:6: "), "{problem}");
    let problem = config::load(&[folder.path().join("away.toml")], &BTreeMap::new()).unwrap_err().to_string();
    assert!(problem.contains("away.toml: cannot be read: "), "{problem}");
}

#[test]
fn production_refuses_what_is_only_fit_for_development() {
    let folder = tempfile::tempdir().unwrap();
    let unsafe_settings = "
        environment = 'production'
        [http]
        cors_origins = ['https://app.example.com', '*']
        rate_limit.enforce = 'off'
        [admin]
        listen = '0.0.0.0:9464'
    ";
    let problems = config::load(&[file(&folder, unsafe_settings)], &BTreeMap::new()).unwrap_err().to_string();
    assert_eq!(
        problems,
        "http.public_url: production needs the https address that browsers use\n\
         http.cors_origins: production needs the sites by name instead of `*`\n\
         http.rate_limit.enforce: production does not go without; raise its numbers\n\
         admin.listen: 0.0.0.0:9464 can be reached from outside; set admin.token as well\n\
         notify: production sends codes: set notify.smtp.server or notify.sms.url, or notify.deliver = \"off\" where \
         nobody registers or resets a password"
    );
    // Not even with https of its own may it guess its name.
    let nameless = "environment = 'production'\nhttp.tls_cert = 'a.pem'\nhttp.tls_key = 'a.key'";
    let problems = config::load(&[file(&folder, nameless)], &BTreeMap::new()).unwrap_err().to_string();
    assert!(problems.contains("http.public_url: production needs the https address that browsers use"), "{problems}");
    let development = unsafe_settings.replace("production", "development").replace("0.0.0.0", "127.0.0.1");
    config::load(&[file(&folder, &development)], &BTreeMap::new()).unwrap();
}

#[test]
fn what_the_edge_is_told_must_make_sense() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "
        [http]
        timeout_ms = 0
        read_timeout_ms = 0
        tls_cert = 'cert.pem'
        cors_origins = ['https://app.test/', 'https://App.test', 'https://app.test:443', 'app.test', 'null',
            'https://*.app.test', 'https://a@app.test', 'https://app.test', 'http://localhost:3000']
    ";
    let problems = config::load(&[file(&folder, wrong)], &BTreeMap::new()).unwrap_err().to_string();
    let not_an_origin = |text| format!("http.cors_origins: `{text}` is not an origin like https://app.example.com");
    let origins = ["https://app.test/", "https://App.test", "https://app.test:443", "app.test", "null"];
    let origins = origins.into_iter().chain(["https://*.app.test", "https://a@app.test"]).map(not_an_origin);
    let counts = ["http.timeout_ms: must be at least 1", "http.read_timeout_ms: must be at least 1"].map(str::to_owned);
    let tls = "http.tls_cert, http.tls_key: set both or none".to_owned();
    assert_eq!(
        problems.lines().collect::<Vec<_>>(),
        counts.into_iter().chain([tls]).chain(origins).collect::<Vec<_>>()
    );

    let ill_typed =
        "[http]\ntrusted_proxies = ['10.0.0.0/8', '10.0.0.0/33']\nrate_limit.burst = 0\nforwarded_header = 'via'";
    let problems = config::load(&[file(&folder, ill_typed)], &BTreeMap::new()).unwrap_err().to_string();
    for problem in [
        "test.toml:2:19: `10.0.0.0/33` is neither an address nor a network like 10.0.0.0/8",
        "test.toml:3:20: invalid value: integer `0`, expected a nonzero u32",
        "test.toml:4:20: there is no value `via`; there are: x-forwarded-for, forwarded",
    ] {
        assert!(problems.contains(problem), "{problem} is not in\n{problems}");
    }
}

#[test]
fn lists_of_the_edge_can_be_variables() {
    let folder = tempfile::tempdir().unwrap();
    let variables = variables(&[
        ("BFF__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1"),
        ("BFF__HTTP__CORS_ORIGINS", "https://app.test"),
        ("BFF__HTTP__RATE_LIMIT__PER_SECOND", "50"),
    ]);
    let config = config::load(&[file(&folder, "")], &variables).unwrap();
    assert_eq!((config.http.trusted_proxies.len(), config.http.rate_limit.per_second.get()), (2, 50));
    assert_eq!(config.http.cors_origins, ["https://app.test"]);
}

#[test]
fn every_setting_that_cannot_work_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[identity]\naudience = \"\"\naccess_token_s = 86_401\n[identity.sessions]\nweb_idle_s = 0\nstaff_absolute_s = 0\nper_account = 0\n\
                [http]\nmax_body_bytes = 0\n[telemetry]\nlevel = \"bff=loud\"\n";
    let told = config::load(&[file(&folder, text)], &variables(&[])).unwrap_err().to_string();
    for setting in [
        "identity.audience",
        "identity.access_token_s",
        "identity.sessions.web_idle_s",
        "identity.sessions.staff_absolute_s",
        "identity.sessions.per_account",
        "http.max_body_bytes",
        "telemetry.level",
    ] {
        assert!(told.contains(&format!("{setting}: ")), "{setting} is not in:\n{told}");
    }
}

#[test]
fn a_check_tells_what_is_wrong_with_every_part_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = crate::harness::bare_config(&folder);
    let key = folder.path().join("master.key");
    std::fs::write(&key, "too short").unwrap();
    config.identity.master_key_file = Some(key);
    config.identity.access_token_s = 3;
    config.views.dir = folder.path().join("nowhere").display().to_string();
    let told = bff::app::check(&config).unwrap_err().to_string();
    for part in ["identity.master_key_file", "identity.access_token_s", "views.dir"] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}
