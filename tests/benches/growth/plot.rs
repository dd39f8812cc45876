//! A plot of series: one panel each, a line for each operation, and the bound. Plain SVG, which pages show as it is.

use std::fmt::Write as _;

use super::table::{BOUND, Series};

const PANEL: (f64, f64) = (300.0, 200.0);
/// Left, top, right and bottom of a panel's axes.
const MARGIN: (f64, f64, f64, f64) = (44.0, 34.0, 14.0, 34.0);
const LEGEND_HEIGHT: f64 = 96.0;
const LEGEND_COLUMNS: usize = 4;
const COLUMNS: usize = 2;

/// The ratios that an axis shows.
const RATIOS: (f64, f64) = (0.0, 2.0);

/// Colors that most people can tell apart, on white and on black; lines beyond these are dashed.
const COLORS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#888888"];

/// The whole picture.
pub(crate) fn draw(series: &[Series]) -> String {
    let rows = series.len().div_ceil(COLUMNS);
    let (width, height) = (PANEL.0 * COLUMNS as f64, PANEL.1 * rows as f64 + LEGEND_HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<title>Time of each operation by size, as a ratio to the smallest</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (place, series) in series.iter().enumerate() {
        let (column, row) = (place % COLUMNS, place / COLUMNS);
        let _ = writeln!(
            svg,
            "<g transform=\"translate({} {})\">",
            PANEL.0 * column as f64,
            PANEL.1 * row as f64
        );
        panel(&mut svg, series);
        svg.push_str("</g>\n");
    }
    let names = series.first().map(|series| series.rows.iter().map(|row| row.operation));
    for (place, name) in names.into_iter().flatten().enumerate() {
        let x = 16.0 + (place % LEGEND_COLUMNS) as f64 * (width - 20.0) / LEGEND_COLUMNS as f64;
        let y = PANEL.1 * rows as f64 + 16.0 + (place / LEGEND_COLUMNS) as f64 * 20.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" {}/>\
             <text x=\"{}\" y=\"{}\" font-size=\"9\">{name}</text>",
            x + 16.0,
            stroke(place),
            x + 20.0,
            y + 3.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, series: &Series) {
    let (left, top, right, bottom) = MARGIN;
    let (first, last) = (series.sizes[0] as f64, series.sizes[series.sizes.len() - 1] as f64);
    let x = |size: f64| left + (size / first).ln() / (last / first).ln() * (PANEL.0 - left - right);
    let y = |ratio: f64| {
        let part = (ratio.clamp(RATIOS.0, RATIOS.1) - RATIOS.0) / (RATIOS.1 - RATIOS.0);
        PANEL.1 - bottom - part * (PANEL.1 - top - bottom)
    };
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{}</text>", series.name);
    for ratio in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let y = y(ratio);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ratio}</text>",
            PANEL.0 - right,
            left - 6.0,
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<line x1=\"{left}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"#cc0000\" stroke-dasharray=\"2 3\"/>",
        y(BOUND),
        PANEL.0 - right
    );
    for size in &series.sizes {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{size}</text>",
            x(*size as f64),
            PANEL.1 - bottom + 16.0
        );
    }
    for (place, row) in series.rows.iter().enumerate() {
        let points = series.sizes.iter().zip(&row.ratios);
        let points: Vec<_> =
            points.map(|(size, ratio)| format!("{:.1},{:.1}", x(*size as f64), y(*ratio))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" {}><title>{}</title></polyline>",
            points.join(" "),
            stroke(place),
            row.operation
        );
    }
}

fn stroke(place: usize) -> String {
    let dashes = if place < COLORS.len() { "" } else { " stroke-dasharray=\"6 3\"" };
    format!("stroke=\"{}\" stroke-width=\"1.5\"{dashes}", COLORS[place % COLORS.len()])
}
