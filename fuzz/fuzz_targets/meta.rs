//! A meta document, as YAML from a file and as JSON from a meta server, up to what a node makes of it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use linker_core::app::{AuthMethod, ClientApp, ClientApps};
use linker_core::meta::MetaDocument;

fn judge(document: &MetaDocument) {
    let json = serde_json::to_string(document).expect("JSON");
    let again: MetaDocument = serde_json::from_str(&json).expect("what a meta server serves");
    assert_eq!(again.validate().is_ok(), document.validate().is_ok());
    let Ok(checked) = document.validate() else {
        return;
    };
    let own = "domain-01".parse().expect("a name");
    let app = ClientApp {
        app_name: "ANZ".parse().expect("a name"),
        app_id: "app".to_owned(),
        master: None,
        isolated: false,
        auth: AuthMethod::None,
    };
    let own_apps = match checked.value.apps.is_empty() {
        true => ClientApps::new(vec![app]).expect("one app"),
        false => ClientApps::default(),
    };
    let Ok(directory) = checked.value.directory(&own, &Arc::new(own_apps)) else {
        return;
    };
    for user in ["ANZ-0", "ANZ-100000", "XYZ-9223372036854775807"] {
        let user = user.parse().expect("a user id");
        if let Some(home) = directory.home_of(&user) {
            let _ = directory.ws_urls(home);
        }
        let _ = directory.check_recipient(&user, &user);
    }
}

fuzz_target!(|text: &str| {
    if let Ok(document) = serde_json::from_str(text) {
        judge(&document);
    }
    let options = serde_saphyr::options! { with_snippet: false };
    if let Ok(document) = serde_saphyr::from_str_with_options(text, options) {
        judge(&document);
    }
});
