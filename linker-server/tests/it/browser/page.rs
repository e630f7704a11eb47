//! The demo page in one tab: what a person does with it and sees on it.

use serde_json::{Value, json};

use super::Browser;
use crate::harness::{Node, WAIT, eventually};

/// The Enter key in WebDriver's alphabet.
const ENTER: &str = "\u{E007}";

/// One tab that shows the demo page.
pub(super) struct Page<'a> {
    browser: &'a Browser,
    tab: String,
}

impl<'a> Page<'a> {
    /// Opens the page for a user in a tab of its own; nothing is connected yet.
    pub(super) fn open(browser: &'a Browser, node: &Node, user: &str) -> Self {
        let scheme = if node.tls().is_some() { "https" } else { "http" };
        Self::at(browser, &format!("{scheme}://{}/?user={user}", node.ws))
    }

    /// Opens any page in a tab of its own.
    pub(super) fn at(browser: &'a Browser, url: &str) -> Self {
        let page = Self {
            browser,
            tab: browser.new_tab(),
        };
        page.front().go_to(url);
        page
    }

    /// Opens the page and logs in by the button.
    pub(super) async fn logged_in(browser: &'a Browser, node: &Node, user: &str) -> Self {
        let page = Self::open(browser, node, user);
        page.log_in(user).await;
        page
    }

    /// Presses "Log in" and waits until the page says so.
    pub(super) async fn log_in(&self, user: &str) {
        self.click("#login-button");
        self.wait_for_text("#status", &format!("Logged in as {user}"))
            .await;
    }

    /// The browser with this tab in front.
    pub(super) fn front(&self) -> &Browser {
        self.browser.switch_to(&self.tab);
        self.browser
    }

    pub(super) fn click(&self, selector: &str) {
        self.front().click(selector);
    }

    /// Replaces what a field holds.
    pub(super) fn fill(&self, selector: &str, text: &str) {
        let browser = self.front();
        browser.clear(selector);
        browser.type_into(selector, text);
    }

    pub(super) fn clear(&self, selector: &str) {
        self.front().clear(selector);
    }

    pub(super) fn press_enter(&self, selector: &str) {
        self.front().type_into(selector, ENTER);
    }

    /// Sends a message by the keyboard: recipient, content, Enter.
    pub(super) fn send(&self, to: &str, content: &str) {
        self.fill("#to", to);
        self.fill("#content", content);
        self.press_enter("#content");
    }

    /// The text of the first element that a selector names, empty where there is none.
    pub(super) fn text(&self, selector: &str) -> String {
        self.ask(
            "return document.querySelector(arguments[0])?.textContent ?? ''",
            &[json!(selector)],
        )
    }

    /// What the field that a selector names holds.
    pub(super) fn value(&self, selector: &str) -> String {
        self.ask(
            "return document.querySelector(arguments[0]).value",
            &[json!(selector)],
        )
    }

    pub(super) fn count(&self, selector: &str) -> usize {
        self.ask(
            "return document.querySelectorAll(arguments[0]).length",
            &[json!(selector)],
        )
    }

    /// The raw frames shown, of one direction (`in`, `out`), oldest first.
    pub(super) fn frames(&self, direction: &str) -> Vec<Value> {
        let script = "return [...document.querySelectorAll(`#frames .${arguments[0]} .text`)].map((e) => e.textContent)";
        let texts: Vec<String> = self.ask(script, &[json!(direction)]);
        texts
            .iter()
            .map(|text| serde_json::from_str(text).expect("a frame is JSON"))
            .collect()
    }

    /// The frames of one type, of one direction.
    pub(super) fn frames_of(&self, direction: &str, kind: &str) -> Vec<Value> {
        let mut frames = self.frames(direction);
        frames.retain(|frame| frame["type"] == kind);
        frames
    }

    /// The contents of the messages shown as sent (`out`) or received (`in`), oldest first.
    pub(super) fn messages(&self, direction: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(`#messages .${arguments[0]} .content`)].map((e) => e.textContent)";
        self.ask(script, &[json!(direction)])
    }

    /// What is shown beside the newest message sent.
    pub(super) fn last_state(&self) -> String {
        self.text("#messages .out:last-child .state")
    }

    /// The milliseconds in a text such as `delivered in 3.2 ms`.
    pub(super) fn milliseconds(text: &str) -> Option<f64> {
        let (_, rest) = text.split_once("delivered in ").unwrap_or(("", text));
        rest.split_once(" ms")?.0.parse().ok()
    }

    pub(super) async fn wait_for_text(&self, selector: &str, wanted: &str) {
        eventually(&format!("{selector} says {wanted:?}"), WAIT, async || {
            self.text(selector).contains(wanted).then_some(())
        })
        .await;
    }

    /// Waits until exactly these messages were received, in this order.
    pub(super) async fn wait_for_messages(&self, wanted: &[&str]) {
        eventually(&format!("the messages {wanted:?}"), WAIT, async || {
            (self.messages("in") == wanted).then_some(())
        })
        .await;
    }

    /// Presses "Fetch" and waits for the end of the page of missed messages.
    pub(super) async fn fetch(&self, count: u32) {
        let ends = self.frames_of("in", "FETCH_MISSING_MESSAGES_COMPLETE").len();
        self.fill("#count", &count.to_string());
        self.click("#fetch button");
        eventually("the end of the fetch", WAIT, async || {
            (self.frames_of("in", "FETCH_MISSING_MESSAGES_COMPLETE").len() > ends).then_some(())
        })
        .await;
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        serde_json::from_value(self.front().run(script, arguments)).expect("the script gives what is asked")
    }
}
