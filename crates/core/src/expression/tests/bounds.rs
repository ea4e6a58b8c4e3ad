//! What is refused for its cost, and what is not.

use super::*;

#[test]
fn a_cost_bomb_is_refused_when_it_is_loaded() {
    let check = |source: &str, part: &str| {
        let error = refused(source);
        assert!(
            error.message.contains(part),
            "{}: {error}",
            &source[..source.len().min(120)]
        );
    };
    check(&format!("facts.n{}", " + 1".repeat(1_100)), "4096");
    check(&format!("[{}1]", "1,".repeat(512)), "512 nodes");
    check("facts.l.all(x, facts.l.all(y, true))", "inside one another");
    check(
        "facts.l.all(x, [1].all(y, [2].all(z, true)))",
        "inside one another",
    );
    check("facts.l.all(x, x.all(y, true))", "inside one another");
    check(
        "facts.l.map(x, facts.l.filter(y, y == x))",
        "inside one another",
    );
    // Every level doubles what the next one binds.
    let mut doubled = "[facts.s]".to_owned();
    for _ in 0..12 {
        doubled = format!("{doubled}.map(a, a + a)");
    }
    check(&doubled, "MiB");
    let mut listed = "[1]".to_owned();
    for _ in 0..24 {
        listed = format!("{listed}.map(a, [a, a])");
    }
    check(&listed, "MiB");
    check(&format!("facts.s{}", " + facts.s".repeat(120)), "MiB");
    check(
        &format!("facts.l.map(x, facts.s{})", " + facts.s".repeat(12)),
        "MiB",
    );
    check(&format!("{}1{}", "(".repeat(400), ")".repeat(400)), "");
    check(&format!("{}1{}", "[".repeat(200), "]".repeat(200)), "");
}

#[test]
fn what_rules_say_in_earnest_is_admitted_at_the_largest_facts() {
    for source in [
        "facts.items.filter(x, x.ok && x.score > 0.5).map(x, x.id + ':' + facts.run)",
        "facts.items.all(x, x in facts.allowed && !(x in facts.denied))",
        "facts.items.exists(x, ['critical', 'high', 'urgent'].exists(k, x.text.contains(k)))",
        "facts.items.exists(x, facts.text.contains(x.name))",
        "size(facts.items.filter(x, x.path.matches('^/srv/.*\\\\.py$'))) > 3",
        "facts.a == facts.b && facts.c != facts.d && facts.e in facts.f",
        "{'module': facts.module, 'evidence': facts.evidence.map(e, 'path: ' + e)}",
        "facts.items.filter(a, a.n > 1).filter(b, b.n < 9).map(c, c.id).exists(d, d == 'x')",
    ] {
        compile(source);
    }
}
