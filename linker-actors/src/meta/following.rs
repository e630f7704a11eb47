//! What is known of the meta server, and what follows from each of its answers.

use std::sync::Arc;
use std::time::Duration;

use linker_core::directory::Directory;
use linker_core::meta::MetaDocument;

use super::MetaServer;
use super::fetch::{Fetched, Fetcher};
use super::kept::{KeptDocument, KeptFile};
use super::pace::Pace;
use super::version::{self, Refusal, Version};
use crate::authenticators::{Authenticators, PreparedAuthenticators};
use crate::graph;
use crate::node::Node;
use crate::runtime::ids::random_u64;

/// How long a start waits for an answer; then it goes on with what was kept, or without.
const START_PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer may take otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// A directory that can be put in force, with what it needs.
pub(crate) struct Accepted {
    pub(crate) directory: Directory,
    pub(crate) authenticators: PreparedAuthenticators,
}

/// Where the document in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InForce {
    Nothing,
    /// The node's own file; the server has not been heard of yet.
    Kept,
    Served,
}

/// One node's view of its meta server.
pub(crate) struct Following {
    meta: MetaServer,
    fetcher: Fetcher,
    file: Option<KeptFile>,
    in_force: InForce,
    /// Of the document in force.
    etag: Option<String>,
    /// A document that is in force and not kept yet.
    unkept: Option<KeptDocument>,
    keeping_failed: bool,
    /// The version that the server has and this node cannot work with, and why.
    refused: Option<(u64, Refusal)>,
    /// Why the server did not answer when it was asked last.
    away: Option<String>,
    pace: Pace,
}

impl Following {
    /// Asks for the first time, and looks at what was kept. To be called on the runtime of backends.
    ///
    /// # Errors
    /// What is wrong with the url of the server.
    pub(crate) async fn begin(
        meta: MetaServer,
        authenticators: Arc<Authenticators>,
    ) -> Result<(Self, Option<Accepted>), String> {
        let mut following = Self {
            fetcher: Fetcher::new(&meta.url)?,
            file: meta.keep_in.as_deref().map(KeptFile::in_folder),
            in_force: InForce::Nothing,
            etag: None,
            unkept: None,
            keeping_failed: false,
            refused: None,
            away: None,
            pace: Pace::new(meta.refresh),
            meta,
        };
        let kept = following.take_kept(&authenticators).await;
        let served = following.ask(&authenticators, START_PATIENCE).await;
        if following.in_force == InForce::Kept
            && let Some(file) = &following.file
        {
            tracing::warn!(file = %file.path().display(), "the node starts with the meta document that it kept");
        }
        Ok((following, served.or(kept)))
    }

    /// Goes on asking, without end.
    pub(crate) async fn run(mut self, node: Arc<Node>) {
        loop {
            self.keep().await;
            self.tell(&node);
            tokio::time::sleep(self.pace.next(self.away.is_none(), random_u64())).await;
            if let Some(accepted) = self.ask(&node.authenticators, PATIENCE).await
                && graph::put_in_force(&node, accepted.directory, accepted.authenticators)
                    .await
                    .is_err()
            {
                return;
            }
        }
    }

    async fn take_kept(&mut self, authenticators: &Arc<Authenticators>) -> Option<Accepted> {
        let file = self.file.clone()?;
        let path = file.path().display().to_string();
        let read = tokio::task::spawn_blocking(move || file.read()).await.ok()?;
        let kept = match read {
            Ok(kept) => kept?,
            Err(error) => {
                tracing::warn!(file = path, %error, "the meta document that was kept cannot be read");
                return None;
            }
        };
        let accepted = match self.judge(move || Ok(kept.document)).await {
            Ok(version) => prepare(version.directory, authenticators).await,
            Err(refusal) => Err(refusal),
        };
        match accepted {
            Ok(accepted) => {
                self.in_force = InForce::Kept;
                self.etag = kept.etag.filter(|_| kept.url == self.meta.url);
                Some(accepted)
            }
            Err(refusal) => {
                tracing::warn!(file = path, %refusal, "the meta document that was kept is not used");
                None
            }
        }
    }

    /// Asks the server; answers with what is new and can be worked with.
    async fn ask(&mut self, authenticators: &Arc<Authenticators>, patience: Duration) -> Option<Accepted> {
        let (etag, body) = match self.fetcher.fetch(self.etag.as_deref(), patience).await {
            Ok(Fetched::Version { etag, body }) => (etag, body),
            Ok(Fetched::Known) => {
                self.heard();
                self.in_force = InForce::Served;
                if self.refused.take().is_some() {
                    tracing::info!("the meta server has the document in force again");
                }
                return None;
            }
            Err(why) => {
                self.not_heard(why);
                return None;
            }
        };
        self.heard();
        let digest = version::digest(&body);
        let judged = match self.judge(move || version::read(&body)).await {
            Ok(version) => self.prepare_version(version, authenticators).await,
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok((accepted, kept)) => {
                tracing::info!(
                    etag,
                    domains = kept.document.domains.len(),
                    "the meta server has a new document"
                );
                self.etag.clone_from(&etag);
                self.unkept = Some(KeptDocument { etag, ..kept });
                self.in_force = InForce::Served;
                self.refused = None;
                Some(accepted)
            }
            Err(refusal) => {
                self.refuse(digest, refusal);
                None
            }
        }
    }

    /// Looks at a document aside: a large network takes its time, and whatever a document may bring about, the node goes on following.
    async fn judge(
        &self,
        read: impl FnOnce() -> Result<MetaDocument, Refusal> + Send + 'static,
    ) -> Result<Version, Refusal> {
        let meta = self.meta.clone();
        let judging = tokio::task::spawn_blocking(move || version::judge(read()?, &meta));
        judging.await.unwrap_or_else(|error| {
            tracing::error!(%error, "looking at a meta document failed");
            Err(Refusal::Mistakes(vec![
                "this node failed in looking at it".to_owned(),
            ]))
        })
    }

    async fn prepare_version(
        &self,
        version: Version,
        authenticators: &Arc<Authenticators>,
    ) -> Result<(Accepted, KeptDocument), Refusal> {
        let accepted = prepare(version.directory, authenticators).await?;
        for warning in &version.warnings {
            tracing::warn!("the meta document: {warning}");
        }
        let kept = KeptDocument {
            url: self.meta.url.clone(),
            etag: None,
            document: version.document,
        };
        Ok((accepted, kept))
    }

    fn heard(&mut self) {
        if self.away.take().is_some() {
            tracing::info!(url = self.meta.url, "the meta server answers again");
        }
    }

    fn not_heard(&mut self, why: String) {
        if self.away.is_none() {
            tracing::warn!(url = self.meta.url, error = why, "the meta server is away");
        } else {
            tracing::debug!(url = self.meta.url, error = why, "the meta server is still away");
        }
        self.away = Some(why);
    }

    /// Says once what is wrong with a version.
    fn refuse(&mut self, digest: u64, refusal: Refusal) {
        let refused = Some((digest, refusal));
        if self.refused == refused {
            return;
        }
        self.refused = refused;
        let Some((_, refusal)) = &self.refused else { return };
        for line in refusal.lines() {
            tracing::error!("the meta document: {line}");
        }
        match self.in_force {
            InForce::Nothing => {
                tracing::error!("the meta document is refused, the node waits for a sound one")
            }
            _ => tracing::error!("the new meta document is refused, the last one stays"),
        }
    }

    /// Writes the document in force to its file; tried again every time until it is done.
    async fn keep(&mut self) {
        let (Some(file), Some(kept)) = (self.file.clone(), self.unkept.clone()) else {
            self.unkept = None;
            return;
        };
        let path = file.path().display().to_string();
        let written = tokio::task::spawn_blocking(move || file.write(&kept)).await;
        match written {
            Ok(Ok(())) => {
                self.unkept = None;
                self.keeping_failed = false;
            }
            Ok(Err(error)) if !std::mem::replace(&mut self.keeping_failed, true) => {
                tracing::warn!(file = path, %error, "the meta document cannot be kept for a start without the meta server");
            }
            _ => {}
        }
    }

    /// Tells the node's health.
    fn tell(&self, node: &Node) {
        let url = &self.meta.url;
        let refused = self.refused.as_ref().map(|(_, refusal)| refusal);
        let (mut wrong, mut note) = (None, None);
        match (self.in_force, refused, &self.away) {
            (InForce::Nothing, Some(refusal), _) => {
                wrong = Some(format!(
                    "the document of the meta server {url} is refused: {refusal}"
                ));
            }
            (InForce::Nothing, None, Some(why)) => {
                wrong = Some(format!(
                    "there is no meta document yet: the meta server {url} is away ({why})"
                ));
            }
            (InForce::Nothing, None, None) => wrong = Some("there is no meta document yet".to_owned()),
            (_, Some(Refusal::ForeignDomain(line)), _) => {
                wrong = Some(format!("the new document of the meta server {url}: {line}"));
            }
            (_, Some(refusal), _) => {
                note = Some(format!(
                    "the new document of the meta server {url} is refused, the last one stays: {refusal}"
                ));
            }
            (InForce::Kept, None, Some(why)) => {
                note = Some(format!(
                    "the meta server {url} is away ({why}), the node works with the document that it kept"
                ));
            }
            (_, None, Some(why)) => {
                note = Some(format!(
                    "the meta server {url} is away ({why}), the last document stays"
                ));
            }
            (_, None, None) => {}
        }
        node.set_check("meta", wrong);
        node.set_note("meta", note);
    }
}

async fn prepare(directory: Directory, authenticators: &Arc<Authenticators>) -> Result<Accepted, Refusal> {
    graph::prepare(authenticators, directory.apps())
        .await
        .map(|authenticators| Accepted {
            directory,
            authenticators,
        })
        .map_err(|error| Refusal::Mistakes(vec![format!("clientApps: {error}")]))
}
