//! Writing the pieces of an answer.

use compose::write;

/// What a writer wrote, or that it wrote nothing.
fn written(write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<String> {
    let mut out = Vec::new();
    let done = write(&mut out);
    let text = String::from_utf8(out).expect("it is text");
    assert!(done.is_some() || text.is_empty(), "{text}");
    done.map(|()| text)
}

#[test]
fn strings_are_escaped_as_the_reference_does() {
    let mut texts: Vec<String> = (0u8..=0x7f).map(|byte| format!("some text {}, more", char::from(byte))).collect();
    texts.extend(
        ["", "ü€😀", "\u{7f}\u{80}\u{2028}", "a\"b\\c/d\n", "12345678", "1234567\"", "\"2345678"].map(String::from),
    );
    for text in texts {
        let mut out = Vec::new();
        write::string(&mut out, &text);
        assert_eq!(String::from_utf8(out.clone()).unwrap(), serde_json::to_string(&text).unwrap());
        let inside = std::str::from_utf8(&out[1..out.len() - 1]).unwrap();
        assert_eq!(write::unescape(inside), text);
    }
}

#[test]
fn escapes_are_read_back() {
    let cases = [
        (r"plain", "plain"),
        (r"\u00e9\/\b\f\n\r\t\\\u0022", "é/\u{8}\u{c}\n\r\t\\\""),
        (r"a\ud83d\ude00b", "a😀b"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\ude00x", "\u{fffd}x"),
        (r"\u12", "\u{fffd}12"),
        ("\\", "\u{fffd}"),
    ];
    for (inside, text) in cases {
        assert_eq!(write::unescape(inside), text, "{inside}");
    }
}

#[test]
fn timestamps_are_rfc_3339() {
    let timestamp = |seconds, nanos| written(|out| write::timestamp(out, seconds, nanos));
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(timestamp(0, 0), is("1970-01-01T00:00:00Z"));
    assert_eq!(timestamp(1_795_248_000, 250_000_000), is("2026-11-21T08:00:00.250Z"));
    assert_eq!(timestamp(951_782_399, 1000), is("2000-02-28T23:59:59.000001Z"));
    assert_eq!(timestamp(-1, 999_999_999), is("1969-12-31T23:59:59.999999999Z"));
    assert_eq!(timestamp(-62_135_596_800, 0), is("0001-01-01T00:00:00Z"));
    assert_eq!(timestamp(253_402_300_799, 0), is("9999-12-31T23:59:59Z"));
    assert_eq!(timestamp(-62_135_596_801, 0), None);
    assert_eq!(timestamp(253_402_300_800, 0), None);
    assert_eq!(timestamp(i64::MIN, 0), None);
    assert_eq!(timestamp(0, -1), None);
    assert_eq!(timestamp(0, 1_000_000_000), None);
}

#[test]
fn durations_and_dates_are_those_of_protobuf() {
    let duration = |seconds, nanos| written(|out| write::duration(out, seconds, nanos));
    assert_eq!(duration(1, 500_000_000).as_deref(), Some("1.500s"));
    assert_eq!(duration(0, -1).as_deref(), Some("-0.000000001s"));
    assert_eq!(duration(-3, 0).as_deref(), Some("-3s"));
    assert_eq!(duration(1, -1), None);
    assert_eq!(duration(i64::MIN, 0), None);

    let date = |year, month, day| written(|out| write::date(out, year, month, day));
    assert_eq!(date(2024, 2, 29).as_deref(), Some("2024-02-29"));
    assert_eq!(date(2023, 2, 29), None);
    assert_eq!(date(0, 1, 1), None);
    assert_eq!(date(2024, 0, 0), None);
    assert_eq!(date(10_000, 1, 1), None);
}

#[test]
fn numbers_are_short_and_exact() {
    let float = |value| written(|out| write::float(out, value));
    assert_eq!(float(12.0).as_deref(), Some("12"));
    assert_eq!(float(-0.1).as_deref(), Some("-0.1"));
    assert_eq!(float(f64::NAN), None);
    assert_eq!(float(f64::NEG_INFINITY), None);
    for value in [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e21, 123_456_789.125, -1e-7, 0.3, 1e16] {
        assert_eq!(serde_json::from_str::<f64>(&float(value).unwrap()).unwrap(), value);
    }
    assert_eq!(written(|out| write::float32(out, 0.1)).as_deref(), Some("0.1"));

    let mut out = Vec::new();
    write::int(&mut out, i64::MIN);
    write::uint(&mut out, u64::MAX);
    assert_eq!(out, b"-922337203685477580818446744073709551615");
}

#[test]
fn bytes_are_base64() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        let mut out = b"kept ".to_vec();
        write::base64(&mut out, bytes.as_bytes());
        assert_eq!(out, format!("kept {text}").as_bytes());
    }
}

#[test]
fn amounts_have_their_currency_s_digits_and_more_where_there_are_more() {
    let amount = |currency: &str, units, nanos| written(|out| write::amount(out, currency, units, nanos));
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(amount("EUR", 12, 500_000_000), is("12.50"));
    assert_eq!(amount("EUR", 0, 0), is("0.00"));
    assert_eq!(amount("EUR", 0, -500_000_000), is("-0.50"));
    assert_eq!(amount("EUR", -12, -1), is("-12.000000001"));
    assert_eq!(amount("JPY", 500, 0), is("500"));
    assert_eq!(amount("JPY", 500, 500_000_000), is("500.5"));
    assert_eq!(amount("KWD", 1, 250_000_000), is("1.250"));
    assert_eq!(amount("CLF", 1, 250_000_000), is("1.2500"));
    assert_eq!(amount("USD", i64::MIN, -10_000_000), is("-9223372036854775808.01"));
    assert_eq!(amount("", 1, 0), is("1.00"));
    assert_eq!(amount("USD", 1, -1), None);
    assert_eq!(amount("USD", 1, 1_000_000_000), None);
    assert_eq!(amount("USD", 0, i32::MIN), None);
}
