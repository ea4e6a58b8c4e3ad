//! What is admitted, what it costs at most, and what comes of an evaluation.

use cel::common::ast::Expr;

use super::*;

mod bounds;

const ROOTS: &[&str] = &["facts", "signal", "state"];

fn compile(source: &str) -> Expression {
    Expression::compile(source, ROOTS).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn parse(facts: &str) -> Document {
    Document::parse(facts.as_bytes(), &JsonLimits::FACTS).expect(facts)
}

fn facts() -> Document {
    parse(
        r#"{"n":3,"d":2.5,"s":"a\nb","t":"x","yes":true,"no":false,"none":null,"e":[],
            "l":["a","b","c"],"ll":[["a"],["b"]],"o":{"k":{"deep":1}},"p":{"k":{"deep":1}},
            "items":[{"id":"i1","n":1},{"id":"i2","n":5}],"big":9007199254740991}"#,
    )
}

/// Evaluates `source` as a text over the facts above.
fn value(source: &str) -> Result<String, EvaluationError> {
    let (facts, state) = (
        facts(),
        parse(r#"{"mode":"normal","count":{"Q_X":3},"last_ms":{}}"#),
    );
    let signal = [
        ("name", Bound::Text("Q_X")),
        ("time", Bound::Integer(7)),
        ("cause", Bound::Null),
    ];
    let scope = Scope::new()
        .bind("facts", facts.root())
        .bind("signal", Bound::Fields(&signal))
        .bind("state", state.root());
    compile(source).text(&scope)
}

fn refused(source: &str) -> ExpressionError {
    match Expression::compile(source, ROOTS) {
        Ok(_) => panic!("{source} is admitted"),
        Err(error) => error,
    }
}

#[test]
fn facts_are_read_as_cel_reads_maps_lists_and_scalars() {
    let check = |source: &str, expected: &str| {
        assert_eq!(value(source).as_deref(), Ok(expected), "{source}");
    };
    check("facts.n > 0", "true");
    check("facts.n + 1", "4");
    check("facts.d * 2.0", "5");
    check("facts.n / 2", "1");
    check("facts.s", "a\nb");
    check("facts['t'] + 'y'", "xy");
    check("facts.none == null", "true");
    check("has(facts.n) && !has(facts.missing)", "true");
    check("'n' in facts", "true");
    check("'missing' in facts", "false");
    check("size(facts.l) + facts.e.size()", "3");
    check("size(facts)", "14");
    check("facts.l[1]", "b");
    check("facts.l", r#"["a","b","c"]"#);
    check("facts.l + ['d']", r#"["a","b","c","d"]"#);
    check("['0'] + facts.l", r#"["0","a","b","c"]"#);
    check("facts.o.k.deep", "1");
    check("facts.o", r#"{"k":{"deep":1}}"#);
    check("facts.l.exists(x, x == 'b')", "true");
    check("facts.l.map(x, x + '!')", r#"["a!","b!","c!"]"#);
    check("facts.items.filter(i, i.n > 2).map(i, i.id)", r#"["i2"]"#);
    check("facts.items.all(i, i.id.startsWith('i'))", "true");
    check(
        "facts.items.exists_one(i, ['i1', 'x'].exists(k, k == i.id))",
        "true",
    );
    check("facts.o.map(key, key)", r#"["k"]"#);
    check(
        "facts.t.matches('^[a-z]$') && !facts.s.matches('x')",
        "true",
    );
    check("matches(facts.t, 'y')", "false");
    check("facts.yes ? 'is' : 'is not'", "is");
    check("facts.big", "9007199254740991");
    check("int('12') + int(facts.d)", "14");
    check("double(facts.n) / 2.0", "1.5");
    check("string(facts.n) + string(facts.yes)", "3true");
    check("signal.name + ':' + string(signal.time)", "Q_X:7");
    check("signal.cause == null && has(signal.cause)", "true");
    check("signal", r#"{"cause":null,"name":"Q_X","time":7}"#);
    check(
        "{'b': facts.n, 'a': [facts.none, 1.0, 2.5]}",
        r#"{"a":[null,1,2.5],"b":3}"#,
    );
    check("state.mode == 'normal' && state.count.Q_X == 3", "true");
    check("has(state.last_ms.Q_X)", "false");
    check("facts.missing || true", "true");
    check("facts.missing == 1 && false", "false");
}

#[test]
fn equality_and_membership_do_not_depend_on_the_side_or_the_kind_of_value() {
    for source in [
        "facts.l == ['a', 'b', 'c']",
        "['a', 'b', 'c'] == facts.l",
        "facts.l != ['a']",
        "!(['a'] != ['a'])",
        "facts.o == facts.p",
        "{'k': {'deep': 1}} == facts.o",
        "facts.o == {'k': {'deep': 1}}",
        "facts.o != {'k': {'deep': 2}}",
        "{'k': {'deep': 1}, 'm': 1} != facts.o",
        "[facts.o] == [{'k': {'deep': 1}}]",
        "[{'k': {'deep': 1}}] == [facts.o]",
        "['a'] in facts.ll",
        "facts.ll[0] in [['a']]",
        "!(['c'] in facts.ll)",
        "facts.ll == [['a'], ['b']]",
        "facts.ll.map(x, x[0]) == ['a', 'b']",
        "['a', 'b'] == facts.ll.map(x, x[0])",
        "facts.l != facts.n && facts.n != facts.l",
        "facts.o != facts.l",
        "facts.t in ['x', 'y']",
        "facts.n in [1, 2, 3]",
        "facts.n == 3.0 && 3.0 == facts.n",
        "facts.e == []",
    ] {
        assert_eq!(value(source).as_deref(), Ok("true"), "{source}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error_and_never_false() {
    let check = |source: &str, code: &str, part: &str| {
        let error = value(source).expect_err(source);
        assert_eq!(error.code(), code, "{source}: {error}");
        assert!(error.to_string().contains(part), "{source}: {error}");
    };
    check("facts.missing > 0", "expression.failed", "missing");
    check("facts.missing == 'x'", "expression.failed", "missing");
    check("facts.o.k.none", "expression.failed", "none");
    check("facts.l[3]", "expression.failed", "3");
    check("facts.l[-1]", "expression.failed", "-1");
    check("facts.l['a']", "expression.failed", "_[_]");
    check("facts.n.x", "expression.failed", "int");
    check("facts.t > 1", "expression.failed", "string");
    check("facts.n / 0", "expression.failed", "zero");
    check(
        "9223372036854775807 + facts.n",
        "expression.failed",
        "verflow",
    );
    check("facts.n.matches('x')", "expression.failed", "matches");
    check("facts.l + 1", "expression.failed", "_+_");
    check("1 in facts.n", "expression.failed", "in");
    check("b'x'", "expression.wrong_type", "bytes");
    check("1.0 / 0.0", "expression.wrong_type", "inf");
    check("{1: 2}", "expression.wrong_type", "int");
    check("facts.big + 1", "expression.result_refused", "2^53");
    check(
        "facts.items.map(i, facts.items.size() > 0 ? 'x' : i)[9]",
        "expression.failed",
        "9",
    );
    let scope = Scope::new();
    assert_eq!(
        compile("facts.n")
            .bool(&scope)
            .map_err(|error| error.code()),
        Err("expression.failed")
    );
    let document = facts();
    let scope = Scope::new().bind("facts", document.root());
    let error = compile("facts.n").bool(&scope).expect_err("no boolean");
    assert_eq!(
        error.to_string(),
        "a boolean is expected, not a value of type int"
    );
    let error = compile("facts.l").facts(&scope).expect_err("no object");
    assert_eq!(
        error.to_string(),
        "an object is expected, not a value of type list"
    );
}

#[test]
fn results_are_held_to_the_limits_of_what_they_become() {
    let long = parse(&format!(
        r#"{{"s":"{}","l":[{}1]}}"#,
        "x".repeat(40_000),
        "1,".repeat(255)
    ));
    let scope = Scope::new().bind("facts", long.root());
    let check = |source: &str, code: &str| {
        let error = compile(source).facts(&scope).expect_err(source);
        assert_eq!(
            (error.code(), source),
            ("expression.result_refused", source)
        );
        let EvaluationError::Json(cause) = error else {
            panic!("{source}: {error}")
        };
        assert_eq!(cause.code(), code, "{source}");
    };
    check("{'a': facts.s, 'b': facts.s}", "json.too_large");
    check("{'a': facts.l.map(x, facts.s)}", "json.too_large");
    check("{'a': facts.l + [1]}", "json.list_too_long");
    assert!(compile("{'a': facts.s}").facts(&scope).is_ok());
    let text = compile("facts.s")
        .text(&scope)
        .expect_err("too long for a key");
    assert_eq!(text.code(), "expression.result_refused");
    let own = compile("{'reason': 'r', 'topic': null, 'count': facts.l.size()}").facts(&scope);
    assert_eq!(
        own.expect("facts").text(),
        r#"{"count":256,"reason":"r","topic":null}"#
    );
}

#[test]
fn a_name_or_a_function_that_is_not_there_is_refused_with_its_place() {
    let check = |source: &str, line: usize, column: usize, part: &str| {
        let error = refused(source);
        assert!(error.message.contains(part), "{source}: {error}");
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{source}: {error}"
        );
    };
    check(
        "fact.n > 0",
        1,
        1,
        "`fact` is no variable here; there are facts, signal, state",
    );
    check("facts.n > 0 &&\n  x", 2, 3, "`x` is no variable");
    check("facts.l.all(x, y)", 1, 16, "`y` is no variable");
    check("facts.l.all(x, true) && x", 1, 25, "`x` is no variable");
    check(".facts.n", 1, 2, "is no variable");
    check(
        "foo(facts)",
        1,
        4,
        "`foo` is no function here; there are bool, contains",
    );
    check("facts.t.upper()", 1, 14, "`upper` is no function");
    check("timestamp('x')", 1, 10, "`timestamp` is no function");
    check("size(facts, 1)", 1, 5, "`size` takes 1 arguments, not 2");
    check(
        "facts.l.all(facts, true)",
        1,
        12,
        "`facts` is a variable already",
    );
    check("Foo{a: 1}", 1, 4, "no message types");
    check("facts.?n", 1, 6, "unsupported syntax");
    check("facts.n >", 1, 10, "mismatched input");
    check("", 1, 1, "mismatched input");
    check("facts.t.matches('(')", 1, 16, "not usable: unclosed group");
    check("facts.t.matches(facts.s)", 1, 16, "written out");
    check("facts.t.matches('(a{1000}){1000}')", 1, 16, "not usable");
}

#[test]
fn the_state_is_a_closed_list_and_what_is_read_of_it_is_known() {
    let name = |text: &str| SignalName::new(text).expect(text);
    let check = |source: &str, expected: &[StateRead]| {
        assert_eq!(compile(source).state_reads(), expected, "{source}");
    };
    check("facts.n > 0", &[]);
    check(
        "state.mode == 'normal' || state.mode == 'drain'",
        &[StateRead::Mode],
    );
    check(
        "state.count.Q_X > 1 && state.count['a.b'] < 2 && has(state.last_ms.Q_X)",
        &[
            StateRead::Count(name("Q_X")),
            StateRead::Count(name("a.b")),
            StateRead::LastMs(name("Q_X")),
        ],
    );
    for source in [
        "state",
        "state.runs",
        "state.count",
        "size(state.count)",
        "state.count[facts.t]",
        "state[facts.t]",
        "state.count['a b'] > 0",
        "state.count.all(k, true)",
        "facts.l.all(state, true)",
        "has(state.guards)",
    ] {
        let error = refused(source);
        assert!(
            [
                "of the state only",
                "is not a signal name",
                "variable already"
            ]
            .iter()
            .any(|part| error.message.contains(part)),
            "{source}: {error}"
        );
    }
    assert!(Expression::compile("state.mode", &["facts"]).is_err());
}

#[test]
fn a_panic_inside_an_evaluation_is_an_error() {
    let mut expression = compile("true");
    expression.tree.expr = Expr::Unspecified;
    let outcome = expression.bool(&Scope::new());
    assert_eq!(outcome, Err(EvaluationError::Panicked));
}

#[test]
fn a28_what_a_signal_says_is_a_value_and_never_an_expression() {
    let hostile = "{{ facts.n }} ${HOME} $(reboot) `id` #{1+1} <% x %> %s ' + ";
    let document = Document::from_serialize(
        &serde_json::json!({"s": hostile, "facts.n": 7, "n": 1}),
        &JsonLimits::FACTS,
    )
    .expect("facts");
    let scope = Scope::new().bind("facts", document.root());
    assert_eq!(compile("facts.s").text(&scope).as_deref(), Ok(hostile));
    let given = compile("{'copy': facts.s, 'n': facts.n}")
        .facts(&scope)
        .expect("facts");
    let copy = given
        .document()
        .root()
        .get("copy")
        .and_then(|view| view.as_str());
    assert_eq!(copy.as_deref(), Some(hostile));
    assert_eq!(
        compile("facts.s == '{{ facts.n }}'").bool(&scope),
        Ok(false)
    );
    // The language itself has no templates and no way out.
    for source in [
        "{{ facts.n }}",
        "${facts.n}",
        "$(facts.n)",
        "`id`",
        "facts.s.eval()",
        "env('HOME')",
    ] {
        refused(source);
    }
}
