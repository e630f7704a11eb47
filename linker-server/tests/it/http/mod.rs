//! The HTTP surface of CONTRACT.md that one node has: health, metrics and pages.

mod health;
mod methods;
mod metrics;
mod pages;
mod slow;
