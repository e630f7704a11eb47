//! What a new configuration changes: what is applied, and what has to wait for a restart.

use crate::config::{
    Config, LoginConfig, MetaSource, NodeConfig, ReliableConfig, ServerConfig, TelemetryConfig,
};

/// A new configuration beside the one in force.
pub(super) struct Changes {
    /// What is to be in force: the new configuration, with the old one's values where a change needs a restart.
    pub(super) config: Config,
    /// Keys whose new values come into force.
    pub(super) applied: Vec<&'static str>,
    /// Keys whose new values do not.
    pub(super) needs_restart: Vec<&'static str>,
}

impl Changes {
    /// What of `new` can be applied to a node that runs with `old`.
    pub(super) fn between(old: &Config, new: Config) -> Self {
        every_key_is_one_of_the_two(&new);
        let mut changes = Self {
            config: new,
            applied: Vec::new(),
            needs_restart: Vec::new(),
        };
        changes.keep(old);
        changes.note_applied(old);
        changes
    }

    /// Takes back what cannot be changed while the node runs.
    fn keep(&mut self, old: &Config) {
        macro_rules! keep {
            ($($key:literal => $($field:ident).+;)*) => {$(
                if self.config.$($field).+ != old.$($field).+ {
                    self.needs_restart.push($key);
                    self.config.$($field).+.clone_from(&old.$($field).+);
                }
            )*};
        }
        keep! {
            "node.domain" => node.domain;
            "node.name" => node.name;
            "server.bind" => server.bind;
            "server.publicUrl" => server.public_url;
            "server.adminBind" => server.admin_bind;
            "server.workers" => server.workers;
            "server.dataDir" => server.data_dir;
            "presence" => presence;
            "bus" => bus;
            "store" => store;
            "reliable.commitWindow" => reliable.commit_window;
            "reliable.dedupeWindow" => reliable.dedupe_window;
            "reliable.retention" => reliable.retention;
            "login.keyFile" => login.key;
            "login.expiresIn" => login.expires_in;
            "links" => links;
            "upstream" => upstream;
            "telemetry.format" => telemetry.format;
            "telemetry.otlpUrl" => telemetry.traces;
        }
        if !is_same_meta(self.config.meta.as_ref(), old.meta.as_ref()) {
            self.needs_restart.push("meta");
        }
        // The line on which it is named may have changed.
        self.config.meta.clone_from(&old.meta);
        // A port begins with TLS or without, and shows another certificate only in the first case.
        if self.config.server.tls.is_some() != old.server.tls.is_some() {
            self.needs_restart.push("server.tls");
            self.config.server.tls.clone_from(&old.server.tls);
        }
        if self.config.server.admin_tls.is_some() != old.server.admin_tls.is_some() {
            self.needs_restart.push("server.adminTls");
            self.config.server.admin_tls.clone_from(&old.server.admin_tls);
        }
        // The new configuration may do without a token, for the address that it names. The node is still at the old one.
        let (server, former) = (&mut self.config.server, &old.server);
        if server.admin_token.is_none() && !server.admin_bind.ip().is_loopback() {
            self.needs_restart.push("server.adminToken");
            server.admin_token.clone_from(&former.admin_token);
        }
        // The meta server's document and these are one; the one who follows it was given them at the start.
        if matches!(old.meta, Some(MetaSource::Server { .. }))
            && self.config.client_apps.apps != old.client_apps.apps
        {
            self.needs_restart.push("clientApps");
            self.config.client_apps.clone_from(&old.client_apps);
        }
    }

    fn note_applied(&mut self, old: &Config) {
        let new = &self.config;
        macro_rules! note {
            ($($key:literal => $($field:ident).+;)*) => {$(
                if new.$($field).+ != old.$($field).+ {
                    self.applied.push($key);
                }
            )*};
        }
        note! {
            "node.weight" => node.weight;
            "server.adminToken" => server.admin_token;
            "server.tokens" => server.tokens;
            "server.metricsAuth" => server.metrics_auth;
            "server.allowedOrigins" => server.allowed_origins;
            "server.tls" => server.tls;
            "server.adminTls" => server.admin_tls;
            "server.drainTimeout" => server.drain_timeout;
            "clientApps" => client_apps.apps;
            "reliable.confirmationEnabled" => reliable.confirmation_enabled;
            "login.perSecondPerAddress" => login.per_second_per_address;
            "limits" => limits;
            "heartbeat" => heartbeat;
            "telemetry.level" => telemetry.level;
        }
    }
}

/// A key that is new has to be looked at here: does a change of it need a restart ([`Changes::keep`]), or is it applied ([`Changes::note_applied`], and
/// [`super::Reload::put_in_force`])? Until it stands here too, nothing is compiled.
const fn every_key_is_one_of_the_two(config: &Config) {
    let Config {
        node,
        server,
        presence: _,
        bus: _,
        store: _,
        meta: _,
        client_apps: _,
        reliable,
        login,
        links: _,
        upstream: _,
        limits: _,
        heartbeat: _,
        telemetry,
    } = config;
    let NodeConfig {
        domain: _,
        name: _,
        weight: _,
    } = node;
    let ServerConfig {
        bind: _,
        public_url: _,
        admin_bind: _,
        admin_token: _,
        tokens: _,
        metrics_auth: _,
        allowed_origins: _,
        tls: _,
        admin_tls: _,
        workers: _,
        drain_timeout: _,
        data_dir: _,
    } = server;
    let ReliableConfig {
        confirmation_enabled: _,
        commit_window: _,
        dedupe_window: _,
        retention: _,
    } = reliable;
    let LoginConfig {
        key: _,
        expires_in: _,
        per_second_per_address: _,
    } = login;
    let TelemetryConfig {
        format: _,
        level: _,
        traces: _,
    } = telemetry;
}

fn is_same_meta(one: Option<&MetaSource>, other: Option<&MetaSource>) -> bool {
    match (one, other) {
        (Some(MetaSource::File(one)), Some(MetaSource::File(other))) => one.path == other.path,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{self, Overrides, Surroundings};

    /// A file with this text, and nothing else.
    struct Text(String);

    impl Surroundings for Text {
        fn variables(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
            Vec::new()
        }

        fn read(&self, _: &std::path::Path, _: u64) -> std::io::Result<Vec<u8>> {
            Ok(self.0.clone().into_bytes())
        }

        fn host_name(&self) -> String {
            "host".to_owned()
        }

        fn random_suffix(&self) -> u32 {
            1
        }
    }

    fn config(text: &str) -> Config {
        let text = Text(format!("clientApps: [{{appName: A, appId: a}}]\n{text}"));
        let file = PathBuf::from("node.yml");
        config::load(Some(&file), &Overrides::default(), &text)
            .unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    #[test]
    fn what_needs_a_restart_is_named_and_kept() {
        let old = config("server: {bind: '127.0.0.1:1', workers: 2}\nlimits: {maxFrameBytes: 1KiB}");
        let new = config("server: {bind: '127.0.0.1:2', workers: 3}\nlimits: {maxFrameBytes: 2KiB}");
        let changes = Changes::between(&old, new.clone());
        assert_eq!(changes.needs_restart, ["server.bind", "server.workers"]);
        assert_eq!(changes.applied, ["limits"]);
        assert_eq!(changes.config.server, old.server);
        assert_eq!(changes.config.limits, new.limits);
        let none = Changes::between(&new, new.clone());
        assert!(none.needs_restart.is_empty() && none.applied.is_empty());
    }

    #[test]
    fn an_admin_port_that_others_reach_keeps_its_token() {
        let old = config("server: {adminBind: '0.0.0.0:1', adminToken: secret}");
        let new = config("server: {adminBind: '127.0.0.1:1'}");
        let changes = Changes::between(&old, new);
        assert_eq!(changes.needs_restart, ["server.adminBind", "server.adminToken"]);
        assert_eq!(changes.config.server.admin_token, old.server.admin_token);
        let other = config("server: {adminBind: '127.0.0.1:1', adminToken: other}");
        let changes = Changes::between(&old, other);
        assert_eq!(changes.needs_restart, ["server.adminBind"]);
        assert_eq!(changes.applied, ["server.adminToken"]);
    }
}
