//! What the page is for those who use a phone, a keyboard, a screen reader or a dark room.

use serde_json::{Value, json};

use super::{Browser, Page};
use crate::harness::Node;

fn size(page: &Page<'_>, width: u32, height: u32) {
    let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
    page.front().debug("Emulation.setDeviceMetricsOverride", metrics);
}

#[tokio::test]
async fn nothing_is_wider_than_a_phone_even_with_long_frames() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = Page::logged_in(&browser, &node, "ANZ-1").await;
    page.send("ANZ-1", &"unbroken".repeat(60));
    page.wait_for_messages(&[&"unbroken".repeat(60)]).await;
    for width in [320, 390, 768, 1280] {
        size(&page, width, 700);
        let wider = page.front().run(WIDER, &[json!(width)]);
        assert_eq!(wider, json!([]), "what is wider than a window of {width}");
    }
}

#[tokio::test]
async fn every_control_has_a_name_and_every_field_is_reached_by_the_tab_key() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = Page::open(&browser, &node, "ANZ-1");
    let unnamed = page.front().run(
        "return [...document.querySelectorAll('input, select, textarea, button, [role=log], [role=region]')]
            .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-labelledby')))
            .map((e) => e.outerHTML)",
        &[],
    );
    assert_eq!(unnamed, json!([]));

    let mut reached: Vec<Value> = Vec::new();
    for _ in 0..40 {
        let name = page.front().run("return document.activeElement.id", &[]);
        reached.push(name);
        page.front().debug(
            "Input.dispatchKeyEvent",
            json!({"type": "keyDown", "key": "Tab", "windowsVirtualKeyCode": 9}),
        );
    }
    for id in [
        "url",
        "user",
        "login-button",
        "to",
        "content",
        "feature",
        "reference",
        "count",
        "group-to",
        "close-user",
    ] {
        assert!(reached.contains(&json!(id)), "{id} is not reached: {reached:?}");
    }
}

#[tokio::test]
async fn light_and_dark_follow_the_preference_and_are_readable() {
    let (node, browser) = (Node::start().await, Browser::start().await);
    let page = Page::open(&browser, &node, "ANZ-1");
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        page.front().debug(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        let lowest = page.front().run(CONTRAST, &[]);
        assert!(
            lowest.as_f64().is_some_and(|ratio| ratio >= 4.5),
            "the lowest contrast in {scheme} is {lowest}"
        );
        grounds.push(
            page.front()
                .run("return getComputedStyle(document.body).backgroundColor", &[]),
        );
    }
    assert_ne!(grounds[0], grounds[1]);
}

/// The elements that reach beyond a window of the given width.
pub(super) const WIDER: &str = "
    const limit = Math.min(document.documentElement.clientWidth, arguments[0]);
    return [...document.querySelectorAll('body *')]
        .filter((e) => e.getBoundingClientRect().right > limit)
        .map((e) => e.id || e.className || e.localName);
";

/// The lowest contrast (WCAG 2) of any text that is shown with what is behind it; disabled controls are exempt.
pub(super) const CONTRAST: &str = "
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (e) => {
        for (let at = e; at; at = at.parentElement) {
            const color = numbers(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const ratios = [...document.querySelectorAll('body *')]
        .filter((e) => e.checkVisibility() && !e.disabled && ([...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.value))
        .map((e) => [luminance(numbers(getComputedStyle(e).color)), luminance(behind(e))].sort((a, b) => b - a))
        .map(([lighter, darker]) => (lighter + 0.05) / (darker + 0.05));
    return Math.min(...ratios);
";
