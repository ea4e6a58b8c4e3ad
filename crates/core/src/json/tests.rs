//! What the parser refuses, what it makes of what it takes, and how a document is read.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

mod properties;

const WIDE: JsonLimits = JsonLimits {
    bytes_max: 1 << 20,
    depth_max: 64,
    list_max: 1 << 20,
    keys_max: 1 << 20,
};

fn canonical(source: &str) -> String {
    Document::parse(source.as_bytes(), &WIDE)
        .expect(source)
        .text()
        .to_owned()
}

fn code(source: &[u8], limits: &JsonLimits) -> &'static str {
    Document::parse(source, limits)
        .expect_err("must be refused")
        .code()
}

#[test]
fn the_examples_of_rfc_8785_come_out_as_it_says() {
    let check = |source: &str, expected: &str| assert_eq!(canonical(source), expected);
    // Section 3.2.2, without the two numbers that I-JSON gives up: 333333333.33333329 rounds.
    check(
        r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]}"#,
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#,
    );
    // Section 3.2.3: UTF-16 order.
    check(
        r#"{"\u20ac": "Euro Sign", "\r": "Carriage Return",
            "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
            "\u00f6": "Latin Small Letter O With Diaeresis"}"#,
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
}

#[test]
fn numbers_are_written_as_ecmascript_writes_them() {
    let check = |source: &str, expected: &str| assert_eq!(canonical(source), expected);
    check("0", "0");
    check("-0", "0");
    check("-0.0", "0");
    check("0e5", "0");
    check("1.0", "1");
    check("1e2", "100");
    check("-12.50", "-12.5");
    check("9007199254740991", "9007199254740991");
    check("-9007199254740991", "-9007199254740991");
    check("9007199254740991.0", "9007199254740991");
    check("1e21", "1e+21");
    check("123456789012345678901234567890e1", "1.2345678901234568e+30");
    check("1E-7", "1e-7");
    check("0.000001", "0.000001");
    check("5e-324", "5e-324");
    check("1e-400", "0");
    check("1.7976931348623157e308", "1.7976931348623157e+308");
    check("9.5367431640625e-7", "9.5367431640625e-7");
}

#[test]
fn f40_a_number_that_i_json_does_not_hold_is_refused_however_it_is_written() {
    for source in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740992.0",
        "9223372036854775807",
        "18446744073709551616",
        "1e16",
        "1e20",
        "1e400",
        "-1e400",
        "100000000000000000000000000000000000000000",
    ] {
        assert_eq!(
            code(source.as_bytes(), &WIDE),
            "json.number_range",
            "{source}"
        );
        assert_eq!(
            code(format!("[{source}]").as_bytes(), &WIDE),
            "json.number_range",
            "{source}"
        );
    }
}

#[test]
fn f40_bytes_that_are_no_json_are_refused_with_a_code_and_a_place() {
    let check = |source: &[u8], expected: &str, at: &str| {
        let error = Document::parse(source, &WIDE).expect_err("must be refused");
        let source = String::from_utf8_lossy(source);
        assert_eq!(error.code(), expected, "{source}");
        assert!(error.to_string().contains(at), "{source}: {error}");
    };
    check(b"", "json.syntax", "byte 0");
    check(b"   ", "json.syntax", "byte 3");
    check(b"\xef\xbb\xbf{}", "json.syntax", "byte 0");
    check(b"\0", "json.syntax", "byte 0");
    check(b"{}\0", "json.syntax", "byte 2");
    check(b"{} {}", "json.syntax", "byte 3");
    check(b"NaN", "json.syntax", "byte 0");
    check(b"-Infinity", "json.syntax", "byte 1");
    check(b"nul", "json.syntax", "byte 0");
    check(b"[1,]", "json.syntax", "byte 3");
    check(b"[1 2]", "json.syntax", "byte 3");
    check(b"{\"a\":1,}", "json.syntax", "byte 7");
    check(b"{\"a\" 1}", "json.syntax", "byte 5");
    check(b"{a:1}", "json.syntax", "byte 1");
    check(b"{\"a\":}", "json.syntax", "byte 5");
    check(b"[", "json.syntax", "byte 1");
    check(b"01", "json.syntax", "byte 1");
    check(b"1.", "json.syntax", "byte 2");
    check(b".5", "json.syntax", "byte 0");
    check(b"+1", "json.syntax", "byte 0");
    check(b"1e", "json.syntax", "byte 2");
    check(b"1e+", "json.syntax", "byte 3");
    check(b"0x10", "json.syntax", "byte 1");
    check(b"'a'", "json.syntax", "byte 0");
    check(b"// a\n1", "json.syntax", "byte 0");
    check(b"\"a", "json.syntax", "byte 2");
    check(b"\"a\nb\"", "json.syntax", "byte 2");
    check(b"\"a\0b\"", "json.syntax", "byte 2");
    check(b"\"\\x41\"", "json.syntax", "byte 1");
    check(b"\"\\u12g4\"", "json.syntax", "byte 5");
    check(b"\"\\", "json.syntax", "byte 1");
    check(b"\"\\n\n\"", "json.syntax", "byte 3");
    check(b"\"\xff\"", "json.not_utf8", "byte 1");
    check(b"\"\xed\xa0\x80\"", "json.not_utf8", "byte 1");
    check(b"\"\xc0\x80\"", "json.not_utf8", "byte 1");
    check(br#""\ud800""#, "json.surrogate", "byte 1");
    check(br#""\udc00""#, "json.surrogate", "byte 1");
    check(br#""a\ud800\ud800""#, "json.surrogate", "byte 2");
    check(br#""\ud800A""#, "json.surrogate", "byte 1");
}

#[test]
fn a11_a_key_that_stands_twice_is_refused_however_it_is_written() {
    let check = |source: &str, at: &str| {
        let error = Document::parse(source.as_bytes(), &WIDE).expect_err(source);
        assert_eq!(error.code(), "json.duplicate_key", "{source}");
        assert!(error.to_string().contains(at), "{source}: {error}");
    };
    check(r#"{"a":1,"a":2}"#, "byte 7");
    check(r#"{"b":1,"a":2,"b":3}"#, "byte 13");
    check(r#"{"a":1,"\u0061":2}"#, "byte 7");
    check(r#"{"x":{"\n":1,"b":0,"\u000a":2}}"#, "byte 19");
    assert_eq!(canonical(r#"{"a":{"a":1}}"#), r#"{"a":{"a":1}}"#);
}

#[test]
fn a11_every_limit_is_met_exactly() {
    let limits = JsonLimits {
        bytes_max: 40,
        depth_max: 3,
        list_max: 4,
        keys_max: 3,
    };
    let accepted = |source: &str| {
        Document::parse(source.as_bytes(), &limits).expect(source);
    };
    accepted("[[[1]]]");
    assert_eq!(code(b"[[[[]]]]", &limits), "json.too_deep");
    accepted("[1,2,3,4]");
    assert_eq!(code(b"[1,2,3,4,5]", &limits), "json.list_too_long");
    accepted(r#"{"a":{"b":{"c":1}}}"#);
    assert_eq!(
        code(br#"{"a":{"b":1},"c":{"d":1}}"#, &limits),
        "json.too_many_keys"
    );
    accepted(&format!("\"{}\"", "x".repeat(38)));
    assert_eq!(
        code(format!("\"{}\"", "x".repeat(39)).as_bytes(), &limits),
        "json.too_large"
    );
    // Short as given, long in canonical form.
    assert_eq!(code(b"[9e15,9e15,9e15]", &limits), "json.too_large");
}

#[test]
fn a11_ten_thousand_levels_are_refused_at_the_limit_and_not_by_the_stack() {
    for limits in [JsonLimits::FACTS, JsonLimits::INTENT, JsonLimits::BODY] {
        let deep = JsonLimits {
            depth_max: usize::MAX,
            ..limits
        };
        for limits in [limits, deep] {
            assert_eq!(
                code("[".repeat(10_000).as_bytes(), &limits),
                "json.too_deep"
            );
            assert_eq!(
                code("{\"a\":".repeat(10_000).as_bytes(), &limits),
                "json.too_deep"
            );
        }
    }
    let deepest = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert_eq!(canonical(&deepest), deepest);
}

#[test]
fn keys_are_ordered_by_utf_16_code_units_at_every_length_and_escape() {
    let mut keys = vec![String::new(), "\u{1f}".repeat(3)];
    for character in [
        '\0', '\n', '"', '\\', 'a', '~', '\u{7f}', 'é', '\u{d7ff}', '\u{e000}',
    ] {
        keys.extend([
            character.to_string(),
            format!("a{character}"),
            format!("{character}a"),
        ]);
    }
    for character in ['\u{ffff}', '\u{10000}', '\u{10ffff}'] {
        keys.extend([
            character.to_string(),
            format!("prefix {character} and more"),
        ]);
    }
    let mut expected = keys.clone();
    expected.sort_by_key(|key| key.encode_utf16().collect::<Vec<_>>());
    expected.dedup();
    let mut source = String::from("{");
    for (index, key) in expected.iter().rev().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(source, "{comma}{}:{index}", json!(key)).expect("a String takes it");
    }
    source.push('}');
    let document = Document::parse(source.as_bytes(), &WIDE).expect("an object");
    let found: Vec<String> = document
        .root()
        .entries()
        .map(|(key, _)| key.into_owned())
        .collect();
    assert_eq!(found, expected);
    for (index, key) in expected.iter().rev().enumerate() {
        let value = document.root().get(key).and_then(|view| view.as_i64());
        assert_eq!(value, i64::try_from(index).ok(), "{key:?}");
    }
    assert_eq!(document.root().get("absent"), None);
}

#[test]
fn a_view_reads_each_kind_as_what_it_is_and_nothing_else() {
    let source = r#"{"null":null,"yes":true,"n":-7,"d":2.5,"one":1.0,"s":"a\nb","l":[1,"x",{}],"o":{"k":[]}}"#;
    let document = Document::parse(source.as_bytes(), &WIDE).expect("an object");
    let root = document.root();
    let get = |key: &str| root.get(key).expect(key);
    assert_eq!(
        (root.kind(), root.len(), root.is_object()),
        (Kind::Object, 8, true)
    );
    assert!(get("null").is_null() && get("null").as_bool().is_none());
    assert_eq!(
        (get("yes").as_bool(), get("yes").as_str()),
        (Some(true), None)
    );
    assert_eq!(
        (get("n").as_i64(), get("n").as_f64()),
        (Some(-7), Some(-7.0))
    );
    assert_eq!((get("d").as_i64(), get("d").as_f64()), (None, Some(2.5)));
    assert_eq!(
        (get("one").kind(), get("one").as_i64()),
        (Kind::Integer, Some(1))
    );
    assert_eq!(get("s").as_str().as_deref(), Some("a\nb"));
    assert_eq!(get("s").text(), r#""a\nb""#);
    assert_eq!(
        get("l").items().map(|item| item.text()).collect::<Vec<_>>(),
        ["1", "\"x\"", "{}"]
    );
    assert_eq!(
        get("l").at(1).and_then(|item| item.as_str()).as_deref(),
        Some("x")
    );
    assert_eq!(
        (get("l").at(3), get("l").get("x"), root.at(0)),
        (None, None, None)
    );
    assert_eq!(get("o").text(), r#"{"k":[]}"#);
    assert_eq!((get("o").items().len(), get("l").entries().len()), (0, 0));
    assert!(get("o").get("k").is_some_and(|list| list.is_empty()));
    assert_eq!(Document::empty_object().root().text(), "{}");
    assert_eq!(
        Document::empty_object(),
        Document::parse(b" { } ", &WIDE).expect("an object")
    );
}

#[test]
fn a_document_is_embedded_byte_for_byte_and_read_back_the_same() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Body {
        facts: Document,
        n: u32,
    }
    let text = "{\"a\":[1,2.5,\"é\\n\\u0001\"],\"b\":{\"c\":null}}";
    let facts = Document::parse(text.as_bytes(), &WIDE).expect("an object");
    let body = Body { facts, n: 1 };
    let bytes = serde_json::to_vec(&body).expect("a body serialises");
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        format!("{{\"facts\":{text},\"n\":1}}")
    );
    let by_raw_value = RawValue::from_string(text.to_owned()).expect("JSON");
    assert_eq!(serde_json::to_string(&by_raw_value).expect("JSON"), text);
    assert_eq!(
        serde_json::from_slice::<Body>(&bytes).expect("the body"),
        body
    );
    let spaced =
        b"{\"facts\": {\"b\" : {\"c\":null}, \"a\":[1.0, 25e-1,\"\\u00e9\\n\\u0001\"]},\"n\":1}";
    assert_eq!(
        serde_json::from_slice::<Body>(spaced).expect("the body"),
        body
    );
}

#[test]
fn a_rust_value_becomes_a_document_within_limits() {
    let made = |value: &Value| Document::from_serialize(value, &JsonLimits::FACTS);
    let document = made(&json!({"z": 1, "a": [true, null]})).expect("facts");
    assert_eq!(document.text(), r#"{"a":[true,null],"z":1}"#);
    assert_eq!(
        made(&json!(u64::MAX)).expect_err("too large").code(),
        "json.number_range"
    );
    assert_eq!(
        made(&json!(vec![0; 257])).expect_err("too long").code(),
        "json.list_too_long"
    );
    let keyed = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = Document::from_serialize(&keyed, &JsonLimits::FACTS).expect_err("no text as key");
    assert_eq!(error.code(), "json.not_serializable");
}
