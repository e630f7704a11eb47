//! From the document as written to what nodes work with.

use std::collections::HashSet;

use super::client_app::check_client_apps;
use super::document::{DistributionDocument, DomainDocument, LinkDocument, MetaDocument};
use super::finding::{Findings, MetaCaution, MetaFault, MetaProblem, MetaWarning};
use crate::app::ClientApps;
use crate::distribution::{RangeFault, RangeProblem, UserDistributions, UserRange};
use crate::id::DomainName;
use crate::network::{Domain, Link, Topology, TopologyFault, TopologyPlace, TopologyProblem};
use crate::url::PlainUrl;

const DOMAIN_URLS: &str = "ws://HOST:PORT/PATH, wss://…, amqp://HOST:PORT/VHOST, amqps://…";
const DOMAIN_NAMES: &str = "1 to 128 of A-Z a-z 0-9 . _ -";
const KNOWN_DOMAIN: &str = "a name that is listed under `domains`";

/// What was found to be valid, with what is odd about it.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    /// The valid content.
    pub value: T,
    /// In the order of the document.
    pub warnings: Vec<MetaWarning>,
}

impl<T> Checked<T> {
    pub(super) fn or_problems(value: Option<T>, findings: Findings) -> Result<Self, Vec<MetaProblem>> {
        match value {
            Some(value) if findings.problems.is_empty() => Ok(Self {
                value,
                warnings: findings.warnings,
            }),
            _ => Err(findings.problems),
        }
    }
}

/// What a valid meta document says. Every range is one of a domain of the topology.
#[derive(Debug, Clone)]
pub struct MetaNetwork {
    /// Domains and links.
    pub topology: Topology,
    /// Who lives where.
    pub distributions: UserDistributions,
    /// Empty where they stand in the nodes' own files.
    pub apps: ClientApps,
}

impl MetaDocument {
    /// Checks everything.
    ///
    /// # Errors
    /// Every mistake, not only the first, each with its key and what is allowed there.
    pub fn validate(&self) -> Result<Checked<MetaNetwork>, Vec<MetaProblem>> {
        let mut findings = Findings::default();
        let topology = check_topology(&self.domains, &self.domain_links, &mut findings);
        let apps = check_client_apps(&self.client_apps, &mut findings);
        let distributions = check_distributions(&self.user_distributions, &self.domains, &mut findings);
        let network = match (topology, distributions, apps) {
            (Some(topology), Some(distributions), Some(apps)) => Some(MetaNetwork {
                topology,
                distributions,
                apps,
            }),
            _ => None,
        };
        Checked::or_problems(network, findings)
    }
}

fn is_reserved(name: &DomainName, key: &str, findings: &mut Findings) -> bool {
    if name.is_upstream() {
        let fault = MetaFault::ReservedName(name.to_string());
        findings.problem(format!("{key}.name"), fault);
    }
    name.is_upstream()
}

fn check_topology(
    domain_documents: &[DomainDocument],
    link_documents: &[LinkDocument],
    findings: &mut Findings,
) -> Option<Topology> {
    if domain_documents.is_empty() {
        let allowed = "at least one domain with a `name`";
        findings.problem("domains", MetaFault::Missing { allowed });
    }
    // Where each domain and link that is well formed stands in the document.
    let mut domain_places = Vec::with_capacity(domain_documents.len());
    let mut domains = Vec::with_capacity(domain_documents.len());
    for (place, document) in domain_documents.iter().enumerate() {
        let key = format!("domains[{place}]");
        let name = findings
            .id(format!("{key}.name"), &document.name, DOMAIN_NAMES)
            .filter(|name: &DomainName| !is_reserved(name, &key, findings));
        let (ws_urls, amqp_urls) = check_urls(&document.urls, &key, findings);
        if let Some(name) = name {
            domains.push(Domain {
                name,
                ws_urls,
                amqp_urls,
            });
            domain_places.push(place);
        }
    }
    let mut link_places = Vec::with_capacity(link_documents.len());
    let mut links = Vec::with_capacity(link_documents.len());
    for (place, document) in link_documents.iter().enumerate() {
        let n1 = findings.id(format!("domainLinks[{place}].n1"), &document.n1, KNOWN_DOMAIN);
        let n2 = findings.id(format!("domainLinks[{place}].n2"), &document.n2, KNOWN_DOMAIN);
        let weight = document.weight.unwrap_or(1);
        if let (Some(n1), Some(n2)) = (n1, n2) {
            links.push(Link { n1, n2, weight });
            link_places.push(place);
        }
    }
    match Topology::new(domains, &links) {
        Ok(topology) => {
            warn_of_islands(&topology, findings);
            Some(topology)
        }
        Err(problems) => {
            for TopologyProblem { place, fault } in problems {
                let key = topology_key(place, &domain_places, &link_places);
                findings.problem(key, fault);
            }
            None
        }
    }
}

fn topology_key(place: TopologyPlace, domains: &[usize], links: &[usize]) -> String {
    match place {
        TopologyPlace::Domain(index) => format!("domains[{}].name", domains[index]),
        TopologyPlace::Link(index) => format!("domainLinks[{}]", links[index]),
        TopologyPlace::LinkN1(index) => format!("domainLinks[{}].n1", links[index]),
        TopologyPlace::LinkN2(index) => format!("domainLinks[{}].n2", links[index]),
        TopologyPlace::LinkWeight(index) => format!("domainLinks[{}].weight", links[index]),
    }
}

fn warn_of_islands(topology: &Topology, findings: &mut Findings) {
    let islands = topology.islands();
    let mut first_of_each = islands.iter().filter_map(|island| island.first());
    if let Some(from) = first_of_each.next() {
        for to in first_of_each {
            let (from, to) = (DomainName::clone(from), DomainName::clone(to));
            findings.warning("domainLinks", MetaCaution::Unlinked { from, to });
        }
    }
}

/// The urls for clients, complete with their path, and those of brokers.
fn check_urls(urls: &[String], key: &str, findings: &mut Findings) -> (Vec<String>, Vec<String>) {
    let (mut ws_urls, mut amqp_urls) = (Vec::new(), Vec::new());
    for (place, text) in urls.iter().enumerate() {
        let key = format!("{key}.urls[{place}]");
        let url = match PlainUrl::parse(text) {
            Ok(url) => url,
            Err(fault) => {
                findings.problem(key, MetaFault::of_url(fault, DOMAIN_URLS));
                continue;
            }
        };
        match url.scheme().to_ascii_lowercase().as_str() {
            "ws" | "wss" => ws_urls.push(url.with_ws_path()),
            "amqp" | "amqps" => amqp_urls.push(text.clone()),
            "tcp" => findings.warning(key, MetaCaution::TcpIgnored),
            _ => {
                let scheme = url.scheme().to_owned();
                let allowed = DOMAIN_URLS;
                findings.problem(key, MetaFault::UrlScheme { scheme, allowed });
            }
        }
    }
    (ws_urls, amqp_urls)
}

fn check_distributions(
    documents: &[DistributionDocument],
    domains: &[DomainDocument],
    findings: &mut Findings,
) -> Option<UserDistributions> {
    let known: HashSet<&str> = domains.iter().map(|domain| domain.name.as_str()).collect();
    let mut places = Vec::with_capacity(documents.len());
    let mut ranges = Vec::with_capacity(documents.len());
    for (place, document) in documents.iter().enumerate() {
        let key = format!("userDistributions[{place}]");
        let name_key = format!("{key}.domainName");
        let domain: Option<DomainName> = findings.id(name_key.clone(), &document.domain_name, KNOWN_DOMAIN);
        if let Some(unknown) = domain.as_ref().filter(|domain| !known.contains(domain.as_str())) {
            findings.problem(name_key, TopologyFault::UnknownDomain(unknown.clone()));
        }
        if document.from.is_none() {
            let allowed = "the first number, from 0";
            findings.problem(format!("{key}.from"), MetaFault::Missing { allowed });
        }
        if let (Some(domain), Some(from)) = (domain, document.from) {
            let to = document.to;
            ranges.push(UserRange { domain, from, to });
            places.push(place);
        }
    }
    match UserDistributions::new(ranges) {
        Ok(distributions) => {
            warn_of_gaps(&distributions, domains.len(), findings);
            Some(distributions)
        }
        Err(problems) => {
            for RangeProblem { index, fault } in problems {
                let key = match fault {
                    RangeFault::ToTooLarge(_) | RangeFault::Reversed { .. } => "to",
                    RangeFault::FromTooLarge(_) | RangeFault::Overlap { .. } => "from",
                };
                findings.problem(format!("userDistributions[{}].{key}", places[index]), fault);
            }
            None
        }
    }
}

fn warn_of_gaps(distributions: &UserDistributions, domain_count: usize, findings: &mut Findings) {
    if distributions.is_empty() && domain_count > 1 {
        findings.warning("userDistributions", MetaCaution::NoRanges);
    }
    for gap in distributions.gaps() {
        findings.warning("userDistributions", MetaCaution::Gap(gap));
    }
}
