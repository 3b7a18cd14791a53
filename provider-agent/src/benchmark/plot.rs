//! A picture of how near the rates come to the wanted price: a line for each benchmark.

use std::fmt::{self, Write};

use zennet_pricing::format_xen;

use super::{
    composite::Escaped,
    table::{off, Findings},
};

/// Height of a benchmark's line, and the room above and below all of them.
const LINE: f64 = 18.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 40.0;
/// Where the scale begins and ends.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 760.0;
const WIDTH: f64 = 800.0;
/// Smallest and largest that the scale shows to either side, as parts of the price.
const LEAST: f64 = 0.1;
const MOST: f64 = 2.0;

/// The picture as SVG.
pub(crate) fn svg(findings: &Findings) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = draw(findings, &mut text);
    text
}

fn draw(findings: &Findings, out: &mut String) -> fmt::Result {
    let offs: Vec<f64> = findings.rows.iter().map(|row| off(row.predicted, row.wanted)).collect();
    let farthest = offs.iter().map(|off| off.abs()).fold(findings.half_width, f64::max);
    let reach = (farthest * 1.1).clamp(LEAST, MOST);
    let place = |off: f64| {
        let middle = (LEFT + RIGHT) / 2.0;
        middle + off.clamp(-reach, reach) / reach * (RIGHT - LEFT) / 2.0
    };
    let end = TOP + LINE * findings.rows.len() as f64;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Predicted against wanted price</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
        end + BOTTOM
    )?;
    let hour = format_xen(findings.full_load_hour);
    text(out, 12.0, 22.0, "start", "14", "Price by counters against price by time")?;
    let said = format!(
        "{} at {hour} XEN an hour; shaded: {:.1} % to either side, 95 % of programs; condition {:.1}",
        findings.host.processor,
        findings.half_width * 100.0,
        findings.condition
    );
    text(out, 12.0, 42.0, "start", "11", &said)?;
    let (low, high) = (place(-findings.half_width), place(findings.half_width));
    writeln!(
        out,
        "<rect x=\"{low:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#cfe2f3\"/>",
        TOP - 8.0,
        high - low,
        end - TOP + 8.0
    )?;
    for mark in [-1.0, -0.5, 0.0, 0.5, 1.0].map(|part| part * reach) {
        let (x, colour) = (place(mark), if mark == 0.0 { "#444" } else { "#ddd" });
        writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{end:.1}\" stroke=\"{colour}\"/>",
            TOP - 8.0
        )?;
        text(out, x, end + 18.0, "middle", "11", &format!("{:+.1} %", mark * 100.0))?;
    }
    for (number, (row, off)) in findings.rows.iter().zip(&offs).enumerate() {
        let y = TOP + LINE * (number as f64 + 0.5);
        let name: String = row.name.chars().take(22).collect();
        text(out, LEFT - 10.0, y + 4.0, "end", "11", &name)?;
        let within = off.abs() <= findings.half_width;
        let colour = if within { "#1f5f99" } else { "#b03a2e" };
        writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>",
            place(*off)
        )?;
    }
    out.write_str("</svg>\n")
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: &str, said: &str) -> fmt::Result {
    writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{}</text>",
        Escaped(said)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zennet_primitives::amount::XEN;

    use super::*;
    use crate::benchmark::{
        report::{tests::host, Figures, Kind},
        table::Line,
    };

    #[test]
    fn a_plot_is_sound_xml_with_a_point_for_each_benchmark() {
        let line = |name: &str, predicted| Line {
            name: name.into(),
            mix: None,
            runs: 1,
            millis: 1000,
            usage: Figures::new(),
            units: BTreeMap::new(),
            wanted: XEN,
            predicted,
            error: 0.1,
        };
        let findings = Findings {
            made_at: 0,
            kind: Kind::Quick,
            seed: 0,
            host: host(),
            processors_beside: 0.0,
            full_load_hour: XEN,
            rates: BTreeMap::new(),
            without: vec![],
            half_width: 0.2,
            condition: 3.0,
            rows: vec![line("near", XEN), line("<far>", 2 * XEN)],
        };
        let svg = svg(&findings);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let circles: Vec<_> =
            document.descendants().filter(|node| node.has_tag_name("circle")).collect();
        assert_eq!(circles.len(), 2);
        let fill = |n: usize| circles[n].attribute("fill").unwrap();
        assert_ne!(fill(0), fill(1), "one is outside of the interval");
        assert!(document.descendants().any(|node| node.text() == Some("<far>")));
    }
}
