//! Every rule of names in tables, what holds for all of them, and the limit on endpoints of a service.

use std::cell::Cell;
use std::sync::Arc;

use arc_swap::ArcSwap;
use expect_test::{Expect, expect};
use model::UnixMillis;
use proptest::prelude::*;

use super::tree::{Found, Tree, tokens};
use super::*;

const NOW: UnixMillis = UnixMillis(1_705_320_000_000);

fn lengths() -> Lengths {
    NamingConfig::default().lengths()
}

fn grouping(service: &str, rules: &[&str]) -> GroupingFile {
    let rules = Some(rules.iter().map(|&rule| rule.to_owned()).collect());
    GroupingFile { grouping: Some(vec![Grouping { service: service.to_owned(), rules }]) }
}

fn custom(patterns: &[&str]) -> Rules {
    Rules::new(&grouping("s", patterns), &[], lengths()).unwrap()
}

fn definitions(files: &[(&str, &str)]) -> Result<Rules, Vec<String>> {
    let read = |text: &str| serde_saphyr::from_str::<Definition>(text).unwrap();
    let files: Vec<_> = files.iter().map(|&(name, text)| (name.to_owned(), read(text))).collect();
    Rules::new(&GroupingFile::default(), &files, lengths())
}

/// What the rules of `s` make of a name: the group, `=` for as it is, `-` for nothing.
fn grouped(rules: &Rules, name: &str) -> String {
    match rules.group("s", name) {
        Grouped::As(group) => group.to_string(),
        Grouped::AsItIs => "=".to_owned(),
        Grouped::No => "-".to_owned(),
    }
}

#[test]
fn names_are_cut_by_utf16_units() {
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("abcd", 3), "abc");
    assert_eq!(cut("äöüß", 3), "äöü");
    assert_eq!(cut("語語語", 3), "語語語");
    assert_eq!(cut("a😀b", 3), "a😀");
    assert_eq!(cut("ab😀", 3), "ab");
    assert_eq!(lengths().service(&"x".repeat(80)).len(), 70);
    assert_eq!(lengths().instance(&"x".repeat(80)).len(), 70);
    assert_eq!(lengths().endpoint(&"x".repeat(200)).len(), 150);
    assert!(fits("語語語", 3) && !fits("😀😀", 3));
}

#[test]
fn a_name_is_split_at_its_slashes() {
    #[track_caller]
    fn check(name: &str, expected: &[&str]) {
        assert_eq!(tokens(name).collect::<Vec<_>>(), expected, "{name}");
    }
    check("/a/b", &["a", "b"]);
    check("a/b", &["a", "b"]);
    check("/a/b/", &["a", "b"]);
    check("/a//b", &["a", "", "b"]);
    check("/a//", &["a", ""]);
    check("GET:/a", &["GET:", "a"]);
    check("https://h/a", &["https:", "", "h", "a"]);
    check("abc", &["abc"]);
    check("//", &[""]);
    check("/", &[]);
    check("", &[]);
}

#[test]
fn custom_rules_are_a_tree_of_tokens() {
    let rules = custom(&[
        "/products/{var}",
        "/products/{var}/detail",
        "/products/{var}/reorder/extra",
        "produces/{var}/profile",
        "GET:/posts/{var}",
        "https://abc.com/posts/{var}",
        "/late/{var}",
        "/late/fixed",
        "/early/fixed",
        "/early/{var}",
        "/deep/{var}/a",
        "/deep/fixed/b",
        "/{var}/first",
        "/pre{var}/x",
        "/twice/{var}",
    ]);
    let check = |name: &str, expected: &str| assert_eq!(grouped(&rules, name), expected, "{name}");
    check("/products/123", "/products/{var}");
    check("/products/123/detail", "/products/{var}/detail");
    // A slash at the beginning or the end says nothing.
    check("products/123/detail", "/products/{var}/detail");
    check("products/123/detail/", "/products/{var}/detail");
    check("/produces/123/profile", "produces/{var}/profile");
    check("GET:/posts/1", "GET:/posts/{var}");
    check("POST:/posts/1", "-");
    check("https://abc.com/posts/123abc", "https://abc.com/posts/{var}");
    // It must end where a pattern ends.
    check("/products/123/reorder", "-");
    check("/products/123/detail/extra", "-");
    check("/nothing/1", "-");
    // The first one that fits is taken for good.
    check("/late/fixed", "/late/{var}");
    check("/early/fixed", "/early/fixed");
    check("/early/other", "/early/{var}");
    check("/deep/fixed/b", "-");
    check("/deep/fixed/a", "/deep/{var}/a");
    // The first token is a literal, and so is one that only contains the variable.
    check("/anything/first", "-");
    check("/{var}/first", "/{var}/first");
    check("/prefix/x", "-");
    check("/pre{var}/x", "/pre{var}/x");
    // One token needs no rule, and no token is one.
    check("/abc", "=");
    check("abc", "=");
    check("/abc/", "=");
    check("/", "=");
    check("//", "=");
    // Rules of one service are not those of another; a service without rules has no opinion.
    assert_eq!(rules.group("other", "/products/123"), Grouped::No);
    assert_eq!(rules.group("other", "/abc"), Grouped::No);
}

#[test]
fn openapi_definitions_name_endpoints() {
    let rules = definitions(&[(
        "openapi-definitions/s/products.yaml",
        "openapi: 3.0.0\npaths:\n  /products:\n    get: {}\n    summary: no method\n    Post: {}\n\
         \x20 /products/{region}/{country}:\n    get:\n  /products/{id}:\n    get:\n    delete:\n\
         \x20 /products/{id}/related:\n    get:\n  /{tenant}/x:\n    get:\n  /a.b/{x}-{y}:\n    get:\n\
         \x20 /users(id={id}):\n    get:\n  /p/abc/{v}:\n    get:\n  /p/{longer}/ef:\n    get:\n  /nothing:\n",
    )])
    .unwrap();
    let check = |name: &str, expected: &str| assert_eq!(grouped(&rules, name), expected, "{name}");
    check("GET:/products", "GET:/products");
    check("POST:/products", "-");
    check("PUT:/products", "-");
    check("GET:/products/123", "GET:/products/{id}");
    check("DELETE:/products/123", "DELETE:/products/{id}");
    // As a whole, and nothing is no value.
    check("GET:/products/", "-");
    check("GET:/products/123/", "-");
    check("GET:/products/1/2/3", "-");
    check("/products/123", "-");
    // Fewer variables first, then the longer one.
    check("GET:/products/12/related", "GET:/products/{id}/related");
    check("GET:/products/asia/cn", "GET:/products/{region}/{country}");
    check("GET:/p/abc/ef", "GET:/p/abc/{v}");
    check("GET:/p/abd/ef", "GET:/p/{longer}/ef");
    // A variable may stand first, and beside text; nothing but braces has a meaning.
    check("GET:/acme/x", "GET:/{tenant}/x");
    check("GET:/a.b/1-2", "GET:/a.b/{x}-{y}");
    check("GET:/a.b/1-2-3", "GET:/a.b/{x}-{y}");
    check("GET:/a.b/-2", "-");
    check("GET:/aXb/1-2", "-");
    check("GET:/users(id=7)", "GET:/users(id={id})");
    check("GET:/users(id=)", "-");
}

#[test]
fn openapi_definitions_may_say_how_endpoints_are_named() {
    let rules = definitions(&[
        (
            "openapi-definitions/other/a.yaml",
            "x-sw-service-name: s\nx-sw-endpoint-name-match-rule: '<${METHOD}>:${PATH}'\n\
             x-sw-endpoint-name-format: '${PATH}:<${METHOD}>'\npaths:\n  /customers/{id}:\n    get:\n    post:\n",
        ),
        ("openapi-definitions/b.yaml", "x-sw-service-name: s\npaths: {/b: {get: }}\n"),
        ("openapi-definitions/s/empty.yaml", "x-sw-endpoint-name-format: ''\n"),
        ("openapi-definitions/s/null.yaml", "x-sw-endpoint-name-format: ''\npaths:\n"),
    ])
    .unwrap();
    let check = |name: &str, expected: &str| assert_eq!(grouped(&rules, name), expected, "{name}");
    check("<GET>:/customers/1", "/customers/{id}:<GET>");
    check("<POST>:/customers/1", "/customers/{id}:<POST>");
    check("GET:/customers/1", "-");
    check("GET:/b", "GET:/b");
    assert_eq!((rules.len(), rules.group("other", "<GET>:/customers/1")), (1, Grouped::No));
}

#[test]
fn definitions_come_before_custom_rules() {
    let definition = serde_saphyr::from_str("paths: {'/a/{id}': {get: }}").unwrap();
    let custom = grouping("s", &["GET:/a/{var}", "GET:/b/{var}"]);
    let rules = Rules::new(&custom, &[("openapi-definitions/s/a.yaml".to_owned(), definition)], lengths()).unwrap();
    assert_eq!(grouped(&rules, "GET:/a/1"), "GET:/a/{id}");
    assert_eq!(grouped(&rules, "GET:/b/1"), "GET:/b/{var}");
}

#[test]
fn names_of_groups_are_cut_too() {
    let long = format!("/a/{{var}}/{}", "x".repeat(150));
    let rules = custom(&[&long]);
    let Grouped::As(group) = rules.group("s", &format!("/a/1/{}", "x".repeat(150))) else { panic!() };
    assert_eq!(group.len(), 150);
}

#[test]
fn every_problem_of_the_files_is_told() {
    fn check(problems: Result<Rules, Vec<String>>, expected: Expect) {
        expected.assert_eq(&problems.unwrap_err().join("\n"));
    }
    let file = GroupingFile {
        grouping: Some(vec![
            Grouping { service: "s".into(), rules: Some(vec!["/".into(), String::new()]) },
            Grouping::default(),
        ]),
    };
    check(
        Rules::new(&file, &[], lengths()),
        expect![[r"
            endpoint-name-grouping.yml: rule `/` of `s` has no part
            endpoint-name-grouping.yml: a service-name is empty"]],
    );
    check(
        definitions(&[
            ("openapi-definitions/a.yaml", "paths: {/a: {get: }}"),
            ("openapi-definitions/s/b.yaml", "x-sw-endpoint-name-match-rule: '(GET|POST):${PATH}'\npaths: {}"),
        ]),
        expect![[r"
            openapi-definitions/a.yaml: x-sw-service-name is missing; a definition beside the services' folders must name its service
            openapi-definitions/s/b.yaml: x-sw-endpoint-name-match-rule: a text with ${METHOD} and ${PATH} in it, not a regular expression: `(`"]],
    );
}

/// A worker's names.
fn names(config: &NamingConfig) -> (Arc<Naming>, Names) {
    let naming = Arc::new(Naming::new(config, Arc::default()));
    (Arc::clone(&naming), Names::new(naming))
}

fn at(minutes: i64) -> UnixMillis {
    NOW.plus(minutes * 60_000)
}

fn never(max_endpoints: usize) -> NamingConfig {
    NamingConfig { max_endpoints, templates: Templates::Never, ..NamingConfig::default() }
}

/// Worked example E7 of the reference.
#[test]
fn the_limit_is_the_references_where_there_are_no_templates() {
    let (naming, names) = names(&never(3_000));
    let name = |n: usize| format!("/e/{n}");
    for n in 0..3_000 {
        assert_eq!(&*names.endpoint("A", &name(n), NOW), name(n));
    }
    assert_eq!(naming.folded(1).n_full, 1);
    // Also of those that were known; other services are not concerned.
    for n in [3_000, 0, 2_999, 5_000] {
        assert_eq!(&*names.endpoint("A", &name(n), at(9)), ABANDONED);
        assert_eq!(&*names.endpoint("B", &name(n), at(9)), name(n));
    }
    assert_eq!(naming.folded(1).abandoned, 4);
    // Ten minutes after the first of them.
    assert_eq!(&*names.endpoint("A", &name(3_000), at(10)), name(3_000));
    assert_eq!(&*names.endpoint("A", &name(0), at(10)), name(0));
    assert_eq!(naming.folded(1).n_full, 0);
}

#[test]
fn names_that_a_rule_covers_take_no_room() {
    let rules = Arc::new(ArcSwap::from_pointee(custom(&["/e/{var}"])));
    let naming = Arc::new(Naming::new(&never(3), Arc::clone(&rules)));
    let mut names = Names::new(Arc::clone(&naming));
    let shown = |names: &Names, name: &str| names.endpoint("s", name, NOW).to_string();
    for n in 0..10 {
        assert_eq!(shown(&names, &format!("/e/{n}")), "/e/{var}");
        assert_eq!(shown(&names, &format!("/one-token-{n}")), format!("/one-token-{n}"));
    }
    assert_eq!(["/a/1", "/a/2", "/a/3", "/a/4"].map(|name| shown(&names, name)), ["/a/1", "/a/2", "/a/3", ABANDONED]);
    // A rule that comes later makes room at once.
    rules.store(Arc::new(custom(&["/e/{var}", "/a/{var}"])));
    assert_eq!(shown(&names, "/a/4"), ABANDONED);
    names.refresh();
    assert_eq!(
        ["/a/4", "/b/1", "/b/2", "/e/1"].map(|name| shown(&names, name)),
        ["/a/{var}", "/b/1", "/b/2", "/e/{var}"]
    );
    // Another worker with rules it has taken before does not take it back.
    let folded = naming.folded(1);
    names.refresh();
    assert_eq!(naming.folded(1), folded);
}

#[test]
fn near_the_limit_names_become_templates_until_they_are_clear_of_it() {
    let config = NamingConfig { max_endpoints: 10, templates_from_percent: 50, ..NamingConfig::default() };
    let (naming, names) = names(&config);
    let shown = |name: &str, minutes| names.endpoint("A", name, at(minutes)).to_string();
    for n in 0..4 {
        assert_eq!(shown(&format!("/orders/{n}"), 0), format!("/orders/{n}"));
    }
    // The fifth distinct name is near it; from here on also those that were known.
    for n in [4, 5, 0, 1_000_000] {
        assert_eq!(shown(&format!("/orders/{n}"), 1), "/orders/{var}");
    }
    // Words are left room for; what there is none for is abandoned, and what was known goes on.
    for n in 0..12 {
        let word = format!("/w/{}", "x".repeat(n + 1));
        assert_eq!(shown(&word, 2), if n < 5 { word.as_str() } else { ABANDONED });
    }
    assert_eq!((shown("/w/x", 3), shown("/orders/3", 3)), ("/w/x".to_owned(), "/orders/{var}".to_owned()));
    let folded = naming.folded(5);
    assert_eq!((folded.templated, folded.abandoned, folded.n_templates, folded.n_full), (5, 7, 1, 1));
    let exploder = Exploder { service: "A".into(), names: 6, templates: true, full: true, templated: 5, abandoned: 7 };
    assert_eq!(folded.services, [exploder]);
    // The next window begins with templates; it sees few names, so that the one after it does without.
    assert_eq!(shown("/orders/1", 10), "/orders/{var}");
    assert_eq!(shown("/orders/2", 19), "/orders/{var}");
    assert_eq!(shown("/orders/1", 20), "/orders/1");
    assert_eq!(naming.folded(1).n_templates, 0);
    // With as many names as before it stays.
    for n in 0..9 {
        shown(&format!("/orders/{n}"), 21);
    }
    assert_eq!(shown("/orders/1", 30), "/orders/{var}");
    (0..9).for_each(|n| drop(shown(&format!("/orders/{n}"), 31)));
    assert_eq!(shown("/orders/1", 40), "/orders/{var}");
}

#[test]
fn templates_may_be_asked_for_always() {
    let (naming, names) = names(&NamingConfig { templates: Templates::Always, ..NamingConfig::default() });
    for n in 0..10_000 {
        assert_eq!(&*names.endpoint("A", &format!("/orders/{n}"), NOW), "/orders/{var}");
    }
    let folded = naming.folded(1);
    assert_eq!((folded.templated, folded.n_templates, folded.services[0].names), (10_000, 0, 1));
}

#[test]
fn workers_share_the_limit() {
    let (naming, one) = names(&never(4));
    let two = one.clone();
    let name = |names: &Names, name: &str| names.endpoint("A", name, NOW).to_string();
    for (n, worker) in [&one, &two, &one, &two].into_iter().enumerate() {
        assert_eq!(name(worker, &format!("/e/{n}")), format!("/e/{n}"));
    }
    assert_eq!((name(&one, "/e/9"), name(&two, "/e/0")), (ABANDONED.to_owned(), ABANDONED.to_owned()));
    assert_eq!(naming.folded(9).services.len(), 1);
    // With templates what one worker knows is known to the others, also at the limit.
    let (_, one) = names(&NamingConfig { templates: Templates::Always, ..never(2) });
    let two = one.clone();
    assert_eq!([name(&one, "/a"), name(&one, "/b"), name(&two, "/c")], ["/a", "/b", ABANDONED]);
    assert_eq!([name(&two, "/a"), name(&one, "/a"), name(&one, "/c")], ["/a", "/a", ABANDONED]);
}

#[test]
fn empty_names_and_names_of_nobody_stay() {
    let (naming, names) = names(&never(1));
    for n in 0..3 {
        assert_eq!(&*names.endpoint("", &n.to_string(), NOW), n.to_string());
        assert_eq!(&*names.endpoint("A", "", NOW), "");
    }
    assert_eq!(naming.folded(9), Folded::default());
}

#[test]
fn services_that_are_gone_make_room() {
    let (naming, names) = names(&never(10));
    let services = |from: usize, to: usize, minutes| {
        (from..to).for_each(|n| drop(names.endpoint(&format!("s{n}"), "/e", at(minutes)).to_string()));
    };
    services(0, 1_500, 0);
    services(1_500, 6_000, 20);
    let known = naming.folded(usize::MAX).services.len();
    assert!((4_500..6_000).contains(&known), "{known}");
    assert_eq!(names.endpoint("s0", "/e", at(21)).to_string(), "/e");
}

#[test]
fn settings_out_of_range_are_told() {
    assert_eq!(NamingConfig::default().problems(), Vec::<String>::new());
    let config = NamingConfig {
        max_service_chars: 0,
        max_endpoint_chars: 191,
        max_endpoints: 0,
        templates_from_percent: 101,
        ..NamingConfig::default()
    };
    expect![[r"
        naming.max_service_chars: must be between 1 and 190, is 0
        naming.max_endpoint_chars: must be between 1 and 190, is 191
        naming.max_endpoints: must be between 1 and 100000, is 0
        naming.templates_from_percent: must be between 1 and 100, is 101"]]
    .assert_eq(&config.problems().join("\n"));
}

/// Patterns and names of few tokens, so that they meet.
fn path() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec!["a", "b", "c", "", "{var}", "7", "😀"]);
    (any::<bool>(), prop::collection::vec(token, 0..5))
        .prop_map(|(slash, tokens)| format!("{}{}", if slash { "/" } else { "" }, tokens.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_group_is_its_own(patterns in prop::collection::vec(path(), 0..6), name in path()) {
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).filter(|p| tokens(p).next().is_some()).collect();
        let rules = custom(&patterns);
        if let Grouped::As(group) = rules.group("s", &name) {
            prop_assert!(patterns.contains(&&*group));
            let again = rules.group("s", &group);
            prop_assert!(again == Grouped::As(Arc::clone(&group)), "{name} is {group}, which is {again:?}");
        }
    }

    /// Counted, not timed: a name's tokens are each looked at once, however many patterns there are.
    #[test]
    fn every_token_is_looked_at_once(patterns in prop::collection::vec(path(), 0..20), name in path()) {
        let mut tree = Tree::default();
        for pattern in &patterns {
            tree.insert(pattern, pattern.as_str().into());
        }
        let looks = Cell::new(0);
        let found = tree.find(tokens(&name).inspect(|_| looks.set(looks.get() + 1)));
        prop_assert!(looks.get() <= tokens(&name).count());
        prop_assert!(!matches!(found, Found::Pattern(_)) || looks.get() == tokens(&name).count());
    }

    /// Whatever the files and the names are: no panic, no name beyond its length, and a definition's group is its own.
    #[test]
    fn any_definition_and_any_name(
        paths in prop::collection::vec("(/[a{}x.-]{0,6}){0,3}|\\PC{0,20}", 0..6),
        name in "(GET:)?(/[a{}x.-]{0,6}){0,3}|\\PC{0,300}",
    ) {
        let paths = paths.into_iter().map(|path| (path, vec!["get".to_owned()])).collect();
        let definition = Definition { paths: Some(Paths(paths)), ..Definition::default() };
        let rules = Rules::new(&GroupingFile::default(), &[("d/s/x.yaml".to_owned(), definition)], lengths()).unwrap();
        let naming = Arc::new(Naming::new(&NamingConfig::default(), Arc::new(ArcSwap::from_pointee(rules))));
        let names = Names::new(naming);
        let shown = names.endpoint("s", &name, NOW);
        prop_assert!(fits(&shown, 150));
    }

    /// How names are split over workers changes which of them have endpoints of their own, never how many, nor what a template is.
    #[test]
    fn however_names_arrive_no_window_has_more_than_the_limit(
        arrivals in prop::collection::vec((0usize..3, 0u32..40, any::<bool>()), 1..200),
        templates in prop::sample::select(vec![Templates::Never, Templates::NearLimit, Templates::Always]),
    ) {
        let config = NamingConfig { max_endpoints: 10, templates, ..NamingConfig::default() };
        let (naming, first) = names(&config);
        let workers = [first.clone(), first.clone(), first];
        let mut shown = std::collections::BTreeMap::<String, u64>::new();
        for &(worker, n, is_word) in &arrivals {
            let name = if is_word { format!("/w/{}", "x".repeat(n as usize)) } else { format!("/o/{n}") };
            let endpoint = workers[worker].endpoint("A", &name, NOW).to_string();
            prop_assert!(endpoint == name || endpoint == ABANDONED || Some(&endpoint) == template(&name).as_ref());
            *shown.entry(endpoint).or_default() += 1;
        }
        // Every call counts under exactly one name.
        prop_assert_eq!(shown.values().sum::<u64>(), arrivals.len() as u64);
        shown.remove(ABANDONED);
        // Those from before templates began among them.
        prop_assert!(shown.len() <= 10, "{shown:?}");
        let folded = naming.folded(1);
        prop_assert!(folded.services[0].names <= 10);
    }
}
