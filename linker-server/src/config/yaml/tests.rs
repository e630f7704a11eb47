use super::*;

fn parse_file(text: &str) -> Document {
    parse(text, |line| Place::File {
        name: "f".into(),
        line: Some(line),
    })
}

fn lines(document: &Document) -> Vec<String> {
    document.mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_knows_its_line() {
    let document = parse_file("# comment\na: 1\nb:\n  - c: x\n    d: 'y'\n");
    assert_eq!(document.mistakes, []);
    let Value::Mapping(entries) = document.root.unwrap().value else {
        panic!("no mapping")
    };
    assert_eq!(entries[0].place.to_string(), "f:2");
    let Value::Sequence(items) = &entries[1].node.value else {
        panic!("no list")
    };
    let Value::Mapping(inner) = &items[0].value else {
        panic!("no mapping")
    };
    assert_eq!(inner[1].place.to_string(), "f:5");
    assert_eq!(
        inner[1].node.value,
        Value::Scalar {
            text: "y".into(),
            quoted: true
        }
    );
}

#[test]
fn repeated_keys_are_named_with_their_path_and_the_first_line() {
    let document = parse_file("a:\n  b: 1\n  b: 2\nc: [{d: 1, d: 2}]\na: {}\n");
    assert_eq!(
        lines(&document),
        [
            "f:3: a.b: given twice, first at f:2; allowed: one of them",
            "f:4: c[0].d: given twice, first at f:4; allowed: one of them",
            "f:5: a: given twice, first at f:1; allowed: one of them",
        ]
    );
}

#[test]
fn what_is_not_yaml_is_one_mistake_with_its_line() {
    for (text, line) in [
        ("a: [1\nb: 2\n", 2),
        ("a: 1\n  b: 2\n", 2),
        ("a: 'x\n", 1),
        ("a: 1\n\tb: 2\n", 1),
    ] {
        let document = parse_file(text);
        assert_eq!(document.root, None, "{text}");
        let lines = lines(&document);
        assert_eq!(lines.len(), 1, "{text}: {lines:?}");
        assert!(
            lines[0].starts_with(&format!("f:{line}: not YAML: ")),
            "{text}: {lines:?}"
        );
    }
}

#[test]
fn an_alias_bomb_is_refused_without_growing() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..30 {
        text.push_str(&format!(
            "a{level}: &a{level} [{}*a{}]\n",
            format!("*a{}, ", level - 1).repeat(8),
            level - 1
        ));
    }
    let document = parse_file(&text);
    assert_eq!(document.mistakes.len(), 29 * 9);
    assert_eq!(
        lines(&document)[0],
        "f:2: a1[0]: a YAML alias (*name); allowed: the value written out"
    );
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        let document = parse_file(&text);
        assert_eq!(document.root, None);
        assert!(lines(&document)[0].starts_with("f:1: not YAML: "));
    }
}

#[test]
fn tags_second_documents_and_odd_keys_are_refused() {
    let document = parse_file("a: !secret x\n? [1]\n: 2\n---\nb: 1\n");
    assert_eq!(
        lines(&document),
        [
            "f:1: a: a YAML tag (!name); allowed: the value without a tag",
            "f:2: a key that is not a name; allowed: a name as key",
            "f:4: a second YAML document; allowed: one document",
        ]
    );
}

#[test]
fn comments_alone_have_no_root() {
    for text in ["", "\n\n", "# nothing\n", "---\n", "~\n", "\u{feff}"] {
        let document = parse_file(text);
        assert_eq!((document.root, document.mistakes), (None, vec![]), "{text:?}");
    }
}
