//! Without a mouse.

use serde_json::{Value, json};

use super::Console;
use crate::browser::Browser;
use crate::harness::{Client, Node, WAIT, eventually};

fn press(console: &Console<'_>, key: &str, code: u32, text: &str) {
    let browser = console.page.front();
    for kind in ["keyDown", "keyUp"] {
        let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
        if kind == "keyDown" && !text.is_empty() {
            event["text"] = text.into();
        }
        browser.debug("Input.dispatchKeyEvent", event);
    }
}

fn tab(console: &Console<'_>) {
    press(console, "Tab", 9, "");
}

fn enter(console: &Console<'_>) {
    press(console, "Enter", 13, "\r");
}

fn write(console: &Console<'_>, text: &str) {
    console
        .page
        .front()
        .debug("Input.insertText", json!({"text": text}));
}

/// What has the focus: its id, or else what names it.
fn focused(console: &Console<'_>) -> String {
    let name = "const at = document.activeElement;
        return at.id || at.getAttribute('href') || at.getAttribute('aria-labelledby') || at.getAttribute('aria-label') || at.value || at.textContent.trim()";
    console.ask(name, &[]).as_str().unwrap_or_default().to_owned()
}

/// Presses the tab key until this has the focus.
fn tab_to(console: &Console<'_>, wanted: &str) {
    let mut met = Vec::new();
    while met.len() < 60 {
        tab(console);
        let at = focused(console);
        if at == wanted {
            return;
        }
        met.push(at);
    }
    panic!("{wanted} is not reached: {met:?}");
}

#[tokio::test]
async fn everything_is_reached_in_order_and_seen_to_have_the_focus() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let console = Console::shown(&browser, &node).await;
    let mut reached: Vec<String> = Vec::new();
    let has_outline = "const style = getComputedStyle(document.activeElement);
        return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1";
    let is_seen = "const at = document.activeElement;
        if (at.closest('header') || at.className === 'skip') return true;
        return at.getBoundingClientRect().bottom > document.querySelector('#state').getBoundingClientRect().bottom";
    for _ in 0..60 {
        tab(&console);
        let at = focused(&console);
        if reached.first() == Some(&at) {
            break;
        }
        if console.ask("return document.activeElement === document.body", &[]) == false {
            assert_eq!(
                console.ask(has_outline, &[]),
                true,
                "{at} shows that it has the focus"
            );
            assert_eq!(
                console.ask(is_seen, &[]),
                true,
                "{at} is not behind the line at the top"
            );
            reached.push(at);
        }
    }
    let wanted = [
        "#content",
        "#nodes",
        "#domains",
        "#pushes",
        "#users",
        "#slow",
        "nodes-title",
        "New push",
        "user",
        "to",
        "content-text",
        "feature",
        "from",
        "Send",
    ];
    let places: Vec<Option<usize>> = wanted
        .iter()
        .map(|id| reached.iter().position(|at| at == id))
        .collect();
    assert!(places.iter().all(Option::is_some), "{places:?} of {reached:?}");
    assert!(places.is_sorted(), "{places:?} of {reached:?}");
}

#[tokio::test]
async fn every_control_has_a_name() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let console = Console::shown(&browser, &node).await;
    let unnamed = console.ask(
        "return [...document.querySelectorAll('input, select, textarea, button, progress, dialog, section, nav, [role=region], [role=img]')]
            .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')))
            .map((e) => e.outerHTML)",
        &[],
    );
    assert_eq!(unnamed, json!([]));
    let described: Value = console.ask(
        "return [...document.querySelectorAll('[aria-labelledby], [aria-describedby]')]
            .flatMap((e) => `${e.getAttribute('aria-labelledby') ?? ''} ${e.getAttribute('aria-describedby') ?? ''}`.split(' ').filter(Boolean))
            .filter((id) => !document.getElementById(id))",
        &[],
    );
    assert_eq!(described, json!([]), "ids that are nowhere");
}

#[tokio::test]
async fn a_user_is_found_written_to_and_closed_by_keys_alone() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let mut client = Client::login(&node, "ANZ-2").await;
    let console = Console::shown(&browser, &node).await;
    tab_to(&console, "user");
    write(&console, "ANZ-2");
    enter(&console);
    console
        .page
        .wait_for_text("#found-summary", "Online with 1 session.")
        .await;
    tab_to(&console, "content-text");
    write(&console, "by keys");
    tab_to(&console, "Send");
    enter(&console);
    assert_eq!(client.expect("MESSAGE").await["data"]["content"], "by keys");

    let open = "return document.querySelector('#confirm').open";
    tab_to(&console, "close");
    enter(&console);
    assert_eq!(console.ask(open, &[]), true);
    let is_inside = "return document.querySelector('#confirm').contains(document.activeElement)";
    assert_eq!(console.ask(is_inside, &[]), true, "the focus is in the dialog");
    press(&console, "Escape", 27, "");
    eventually("it is closed", WAIT, async || {
        (console.ask(open, &[]) == false).then_some(())
    })
    .await;
    assert_eq!(focused(&console), "close", "the focus is back where it was");
    client.fence().await;
    enter(&console);
    tab_to(&console, "confirm-yes");
    enter(&console);
    assert_eq!(client.closed().await, Some(4010));
}
