//! Plot: each workload's medians as bars, relative to Zefiro's.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use super::report::Row;

/// Draws the rows into an SVG file: how many times as fast (rates) or as slow (times, memory) Zefiro is.
pub fn draw(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut bars = Vec::new();
    for row in rows {
        let medians = row.medians();
        let Some((_, ours)) = medians.first() else { continue };
        for (contender, theirs) in &medians[1..] {
            let ratio = if row.is_rate() { ours / theirs } else { theirs / ours };
            bars.push((format!("{} vs {}", row.label, contender.name()), ratio));
        }
    }
    if bars.is_empty() {
        return Err(anyhow!("there is nothing to compare: add --vs libzmq or --vs raw"));
    }
    let failed = |error: &dyn std::fmt::Display| anyhow!("drawing {}: {error}", path.display());
    let height = 80 + 28 * bars.len() as u32;
    let area = SVGBackend::new(path, (900, height)).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let scale = 420.0 / most;
    area.draw_text("Zefiro: times better (1 = equal)", &("sans-serif", 20).into_text_style(&area), (20, 16))
        .map_err(|error| failed(&error))?;
    for (index, (label, ratio)) in bars.iter().enumerate() {
        let top = 56 + 28 * index as i32;
        let end = 380 + (ratio * scale) as i32;
        let colour = if *ratio >= 1.0 { RGBColor(38, 110, 160) } else { RGBColor(180, 70, 50) };
        area.draw(&Rectangle::new([(380, top), (end, top + 18)], colour.filled())).map_err(|error| failed(&error))?;
        let style = ("sans-serif", 14).into_text_style(&area);
        area.draw_text(label, &style, (20, top + 2)).map_err(|error| failed(&error))?;
        area.draw_text(&format!("{ratio:.2} ×"), &style, (end + 8, top + 2)).map_err(|error| failed(&error))?;
    }
    let one = 380 + scale as i32;
    area.draw(&PathElement::new([(one, 48), (one, height as i32 - 16)], BLACK.mix(0.5)))
        .map_err(|error| failed(&error))?;
    area.present().map_err(|error| failed(&error))
}
