//! A picture as text. Colours are chosen by the reader's preference for light or dark, and are told apart on either.

use std::fmt::Write as _;

/// Colours that there are, named `c0` and so on: Linker's first.
pub(super) const COLOURS: usize = 6;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#3d444d}.title{font-weight:600;font-size:15px}.small{font-size:12px}\
.grid{stroke:#d0d7de;stroke-width:1}.axis{stroke:#6e7781;stroke-width:1}\
.l0,.l1,.l2,.l3,.l4,.l5{fill:none;stroke-width:2.5}\
.c0{fill:#0969da}.c1{fill:#8c959f}.c2{fill:#bc4c00}.c3{fill:#1a7f37}.c4{fill:#8250df}.c5{fill:#bf3989}\
.l0{stroke:#0969da}.l1{stroke:#8c959f}.l2{stroke:#bc4c00}.l3{stroke:#1a7f37}.l4{stroke:#8250df}.l5{stroke:#bf3989}\
.mark{stroke:#cf222e;stroke-width:1.5;stroke-dasharray:5 4}.marktext{fill:#cf222e}\
.back{fill:#ffffff}\
@media(prefers-color-scheme:dark){text{fill:#d1d7e0}.grid{stroke:#3d444d}.axis{stroke:#9198a1}\
.c0{fill:#4493f8}.c1{fill:#9198a1}.c2{fill:#db6d28}.c3{fill:#3fb950}.c4{fill:#ab7df8}.c5{fill:#db61a2}\
.l0{stroke:#4493f8}.l1{stroke:#9198a1}.l2{stroke:#db6d28}.l3{stroke:#3fb950}.l4{stroke:#ab7df8}.l5{stroke:#db61a2}\
.mark{stroke:#f85149}.marktext{fill:#f85149}.back{fill:#0d1117}}";

/// Where a text is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hold {
    Start,
    Middle,
    End,
}

/// A picture that grows by what is drawn.
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// `says` is read to who does not see it.
    pub(super) fn new(width: f64, height: f64, says: &str) -> Self {
        let mut text = String::new();
        let _ = write!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">\n\
             <style>{STYLE}</style>\n<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n",
            escaped(says)
        );
        Self { text }
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.text,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(super) fn bar(&mut self, colour: usize, (x, y): (f64, f64), width: f64, height: f64) {
        let _ = writeln!(
            self.text,
            "<rect class=\"c{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>",
            colour % COLOURS
        );
    }

    pub(super) fn path(&mut self, colour: usize, points: &[(f64, f64)]) {
        let colour = colour % COLOURS;
        let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.text,
            "<polyline class=\"l{colour}\" points=\"{}\"/>",
            places.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(
                self.text,
                "<circle class=\"c{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"
            );
        }
    }

    pub(super) fn write(&mut self, class: &str, (x, y): (f64, f64), hold: Hold, words: &str) {
        let anchor = match hold {
            Hold::Start => "start",
            Hold::Middle => "middle",
            Hold::End => "end",
        };
        let _ = writeln!(
            self.text,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(words)
        );
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_break_the_picture() {
        let mut svg = Svg::new(10.0, 10.0, "a \"b\"");
        svg.write("small", (1.0, 2.0), Hold::End, "<x> & y");
        let text = svg.finish();
        assert!(
            text.contains("aria-label=\"a &quot;b&quot;\"") && text.contains(">&lt;x&gt; &amp; y</text>")
        );
        assert!(text.ends_with("</svg>\n"));
    }
}
