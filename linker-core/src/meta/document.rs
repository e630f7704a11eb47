//! The document as it is written, camelCase, before anything is believed. Texts stay texts, so that all mistakes can be told at once.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// The whole document, in the seed's form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetaDocument {
    /// Accepted for the seed's sake, and without meaning.
    #[serde(skip_serializing)]
    pub spring: Option<IgnoredAny>,
    /// Settings of the meta server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<MetaServerDocument>,
    /// The domains.
    #[serde(deserialize_with = "list")]
    pub domains: Vec<DomainDocument>,
    /// Who is linked with whom.
    #[serde(deserialize_with = "list")]
    pub domain_links: Vec<LinkDocument>,
    /// The client apps; they may stand in the nodes' files instead.
    #[serde(deserialize_with = "list")]
    pub client_apps: Vec<ClientAppDocument>,
    /// Who lives where.
    #[serde(deserialize_with = "list")]
    pub user_distributions: Vec<DistributionDocument>,
}

/// `server`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetaServerDocument {
    /// The port to serve on.
    pub port: Option<u16>,
}

/// One of `domains`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DomainDocument {
    /// Its name.
    pub name: String,
    /// `ws`, `wss`, `amqp`, `amqps` and, without meaning, `tcp`.
    #[serde(deserialize_with = "list")]
    pub urls: Vec<String>,
}

/// One of `domainLinks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LinkDocument {
    /// The name of a domain.
    pub n1: String,
    /// The name of another.
    pub n2: String,
    /// What crossing it costs, from 1, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// One of `clientApps`, here and in a node's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientAppDocument {
    /// Prefix of its users' ids.
    pub app_name: String,
    /// What its clients show at login.
    pub app_id: String,
    /// The user with more rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_user_id: Option<String>,
    /// Whether its users have to prove who they are. Left out it is false, as in the seed, but true where there is a `jwt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_enabled: Option<bool>,
    /// Where to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// How long to wait for its answer, as `3s`, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_timeout: Option<String>,
    /// Instead of `auth_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtDocument>,
    /// Whether its users speak only with each other; default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
}

/// `jwt` of a client app.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtDocument {
    /// The one that is believed, as `RS256`.
    pub algorithm: String,
    /// In PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// A file on the nodes with one key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// A file on the nodes with a set of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<String>,
    /// Whom a token has to be for (`aud`).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub audience: Option<OneOrMore>,
    /// Whose a token has to be (`iss`).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub issuer: Option<String>,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum OneOrMore {
    /// Written without a list.
    One(String),
    /// Written as a list.
    More(Vec<String>),
}

impl OneOrMore {
    /// The texts, however they are written.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        }
    }
}

/// One of `userDistributions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DistributionDocument {
    /// The home.
    pub domain_name: String,
    /// The first number.
    pub from: Option<u64>,
    /// The last number; left out: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

impl std::fmt::Debug for JwtDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Before validation nobody knows whether the key is a public one.
        f.debug_struct("JwtDocument")
            .field("algorithm", &self.algorithm)
            .field("key_file", &self.key_file)
            .field("jwks_file", &self.jwks_file)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Something that is written behind its key: with nothing there, who meant a check would have none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A list; a key with nothing behind it is an empty one, as people leave it when they have commented out all entries.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
