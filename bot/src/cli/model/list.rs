//! `groupchat model list`: what there is, and what of it is here.

use std::collections::HashSet;

use anyhow::Context;
use indicatif::DecimalBytes;

use super::Place;
use crate::models::{Entry, Held, Label, Source, chosen};

/// A line of the table.
struct Row {
    model: String,
    quantisation: String,
    size: u64,
    here: String,
    note: String,
}

pub(super) fn run(place: &Place) -> anyhow::Result<()> {
    let held = place.folder.all().with_context(|| format!("cannot read {}", place.folder.path().display()))?;
    print(&rows(place, &held)?);
    println!();
    for entry in &place.catalogue.models {
        let Entry { name, about, parameters, context, licence, .. } = entry;
        println!("{name}: {about} {parameters} parameters, context of {context} tokens, {licence}.");
    }
    let model = &place.config.model;
    match (&model.path, &model.url) {
        (Some(path), _) => println!("\nmodel.path is set: {} is served", path.display()),
        (None, Some(url)) => println!("\nmodel.url is set: the server at {url} speaks"),
        (None, None) => {}
    }
    Ok(())
}

fn rows(place: &Place, held: &[Held]) -> anyhow::Result<Vec<Row>> {
    let Place { config, catalogue, folder } = place;
    let default = Source::default_of(catalogue);
    let served = match (&config.model.path, &config.model.url) {
        (None, None) => Some(chosen(config.model.name.as_deref(), catalogue, folder)?.label),
        _ => None,
    };
    let note = |label: &Label| {
        let is_here = held.iter().any(|held| held.label == *label);
        let marks = [(*label == default.label, "default"), (is_here && served.as_ref() == Some(label), "in use")];
        marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect::<Vec<_>>().join(", ")
    };
    let mut rows = Vec::new();
    let mut known = HashSet::new();
    for entry in &catalogue.models {
        for quantisation in &entry.quantisations {
            let label = Source::of(entry, quantisation).label;
            let here = held.iter().find(|held| held.label == label);
            rows.push(Row {
                model: entry.name.clone(),
                quantisation: quantisation.name.clone(),
                size: here.map_or(quantisation.size, |held| held.size),
                here: match (here, folder.begun(&label)) {
                    (Some(held), _) => whole_or_not(held),
                    (None, Some(part)) => format!("{} of it", DecimalBytes(part)),
                    (None, None) => "no".to_owned(),
                },
                note: note(&label),
            });
            known.insert(label);
        }
    }
    let others = held.iter().filter(|held| !known.contains(&held.label));
    rows.extend(others.map(|held| Row {
        model: held.label.to_string(),
        quantisation: String::new(),
        size: held.size,
        here: whole_or_not(held),
        note: note(&held.label),
    }));
    Ok(rows)
}

fn whole_or_not(held: &Held) -> String {
    if held.is_whole() { "yes" } else { "damaged" }.to_owned()
}

fn print(rows: &[Row]) {
    let width = |cell: fn(&Row) -> usize, least: usize| rows.iter().map(cell).max().unwrap_or(0).max(least);
    let (model, here) = (width(|row| row.model.len(), 5), width(|row| row.here.len(), 4));
    let quantisation = width(|row| row.quantisation.len(), 12);
    let line = |cells: [&str; 5]| {
        let [m, q, s, h, n] = cells;
        let line = format!("{m:model$}  {q:quantisation$}  {s:>9}  {h:here$}  {n}");
        println!("{}", line.trim_end());
    };
    line(["MODEL", "QUANTISATION", "SIZE", "HERE", "NOTE"]);
    for row in rows {
        line([&row.model, &row.quantisation, &DecimalBytes(row.size).to_string(), &row.here, &row.note]);
    }
}
