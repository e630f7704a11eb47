//! The parts a page is made of: text, tables, pictures, and what is asked of the figures.

mod marks;
mod numbers;

use std::fmt::Write as _;

pub(crate) use self::marks::{Limit, Mark};
pub(crate) use self::numbers::{bytes, count, number, ratio};

/// A picture that stands next to the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// The file's name, without its end.
    pub(crate) name: String,
    pub(crate) svg: String,
}

/// A ratio that the README quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) what: String,
    pub(crate) ratio: String,
}

/// One suite's part of the page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) quotes: Vec<Quote>,
}

impl Page {
    pub(crate) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}\n");
    }

    /// A table; the first column is text, the others are figures.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let _ = writeln!(self.text, "| {} |", head.join(" | "));
        let figures = "---:|".repeat(head.len().saturating_sub(1));
        let _ = writeln!(self.text, "|---|{figures}");
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
        self.text.push('\n');
    }

    pub(crate) fn picture(&mut self, name: &str, says: &str, svg: String) {
        let _ = writeln!(self.text, "![{says}](benchmarks/{name}.svg)\n");
        self.pictures.push(Picture {
            name: name.to_owned(),
            svg,
        });
    }

    /// Notes what is asked of a figure, and whether it is so.
    pub(crate) fn mark(&mut self, what: &str, limit: Limit, measured: Option<f64>) {
        self.marks.push(Mark {
            what: what.to_owned(),
            limit,
            measured,
            stopped_by: None,
        });
    }

    /// What stops the mark that was noted last, told where it is not met.
    pub(crate) fn stopped_by(&mut self, what: &'static str) {
        if let Some(mark) = self.marks.last_mut() {
            mark.stopped_by = Some(what);
        }
    }

    /// Has the README quote a ratio, if it was measured.
    pub(crate) fn quote(&mut self, what: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.quotes.push(Quote {
                what: what.to_owned(),
                ratio: ratio(Some(value)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_figures_on_the_right() {
        let mut page = Page::default();
        page.table(&["", "a", "b"], &[vec!["x".into(), "1".into(), "2".into()]]);
        assert_eq!(page.text, "|  | a | b |\n|---|---:|---:|\n| x | 1 | 2 |\n\n");
    }

    #[test]
    fn what_was_not_measured_is_not_quoted() {
        let mut page = Page::default();
        page.quote("a", None);
        page.quote("b", Some(1.234));
        assert_eq!(page.quotes.len(), 1);
        assert_eq!(page.quotes[0].ratio, "1.23");
    }
}
