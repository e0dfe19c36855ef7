//! The schema as text: whole, and split into one file for each area.

use std::collections::BTreeMap;

use async_graphql::{EmptyMutation, EmptySubscription, ObjectType, SDLExportOptions, Schema};

use super::{
    aggregation, alarm, alarm_management, async_profiler, browser, common, configuration, continuous, ebpf, event,
    health, hierarchy, log, metadata, metrics_v1, metrics_v2, metrics_v3, ondemand, pprof, profile, record, topn,
    topology, trace, ttl,
};

/// The area whose file holds the roots' first fields and everything that several areas use.
const COMMON: &str = "common";

/// The whole schema in the schema definition language; types, fields and values are in the order of the code.
#[must_use]
pub fn sdl() -> String {
    super::builder().finish().sdl_with_options(options())
}

fn options() -> SDLExportOptions {
    SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions().use_space_ident().indent_width(2)
}

/// The schema as files: (name, content), one `.graphqls` file for each area, sorted by name.
///
/// A type that one area alone can reach stands in the file of that area, every other one in `common.graphqls`. Together
/// the files are the whole schema: `common.graphqls` defines the root types and the other files extend them.
#[must_use]
pub fn sdl_files() -> Vec<(String, String)> {
    let areas = areas();
    let mut n_users: BTreeMap<&str, usize> = BTreeMap::new();
    for area in &areas {
        for name in area.definitions.keys() {
            *n_users.entry(name).or_default() += 1;
        }
    }
    let is_shared = |name: &str| n_users.get(name).is_some_and(|n| *n > 1);
    let shared: BTreeMap<&str, &str> = areas
        .iter()
        .flat_map(|area| &area.definitions)
        .filter(|(name, _)| is_shared(name))
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();

    let mut files: Vec<(String, String)> = areas
        .iter()
        .map(|area| {
            let mut parts = area.roots.clone();
            parts.extend(area.definitions.iter().filter(|(name, _)| !is_shared(name)).map(|(_, text)| text.clone()));
            if area.name == COMMON {
                parts.extend(shared.values().map(|text| (*text).to_owned()));
            }
            (
                format!("{}.graphqls", area.name),
                format!("# Generated from the code by `cargo xtask schema`.\n\n{}\n", parts.join("\n\n")),
            )
        })
        .collect();
    files.sort();
    files
}

/// What one area alone makes of a schema.
struct Area {
    name: &'static str,
    /// The area's part of `Query` and `Mutation`.
    roots: Vec<String>,
    /// Every definition that the area can reach, by name, with its description.
    definitions: BTreeMap<String, String>,
}

fn areas() -> Vec<Area> {
    vec![
        area::<common::CommonQuery, common::CommonMutation>(COMMON),
        area::<metadata::MetadataQuery, EmptyMutation>("metadata"),
        area::<health::HealthQuery, EmptyMutation>("health"),
        area::<ttl::TtlQuery, EmptyMutation>("ttl"),
        area::<metrics_v1::MetricsV1Query, EmptyMutation>("metrics_v1"),
        area::<metrics_v2::MetricsV2Query, EmptyMutation>("metrics_v2"),
        area::<metrics_v3::MetricsV3Query, EmptyMutation>("metrics_v3"),
        area::<aggregation::AggregationQuery, EmptyMutation>("aggregation"),
        area::<topn::TopnQuery, EmptyMutation>("topn"),
        area::<record::RecordQuery, EmptyMutation>("record"),
        area::<topology::TopologyQuery, EmptyMutation>("topology"),
        area::<trace::TraceQuery, EmptyMutation>("trace"),
        area::<log::LogQuery, EmptyMutation>("log"),
        area::<browser::BrowserQuery, EmptyMutation>("browser"),
        area::<alarm::AlarmQuery, EmptyMutation>("alarm"),
        area::<alarm_management::AlarmManagementQuery, alarm_management::AlarmManagementMutation>("alarm-management"),
        area::<event::EventQuery, EmptyMutation>("event"),
        area::<profile::ProfileQuery, profile::ProfileMutation>("profile"),
        area::<async_profiler::AsyncProfilerQuery, async_profiler::AsyncProfilerMutation>("async_profiler"),
        area::<pprof::PprofQuery, pprof::PprofMutation>("pprof"),
        area::<ebpf::EbpfQuery, ebpf::EbpfMutation>("ebpf"),
        area::<continuous::ContinuousQuery, continuous::ContinuousMutation>("continuous"),
        area::<hierarchy::HierarchyQuery, EmptyMutation>("hierarchy"),
        area::<configuration::ConfigurationQuery, configuration::ConfigurationMutation>("configuration"),
        area::<ondemand::OndemandQuery, EmptyMutation>("ondemand"),
    ]
}

fn area<Q, M>(name: &'static str) -> Area
where
    Q: ObjectType + Default + 'static,
    M: ObjectType + Default + 'static,
{
    let schema = Schema::build(Q::default(), M::default(), EmptySubscription).finish();
    let text = schema.sdl_with_options(options());
    let (query, mutation) = (Q::type_name().into_owned(), M::type_name().into_owned());
    let word = if name == COMMON { "type" } else { "extend type" };
    let mut area = Area { name, roots: Vec::new(), definitions: BTreeMap::new() };
    for (defined, block) in definitions(&text) {
        let root = match defined.as_str() {
            "schema" => continue,
            defined if defined == query => "Query",
            defined if defined == mutation => "Mutation",
            _ => {
                area.definitions.insert(defined, block);
                continue;
            }
        };
        // The description of an area's object is about the area, not about the root type.
        let body = block.split_once(" {").map_or("", |(_, body)| body);
        area.roots.push(format!("{word} {root} {{{body}"));
    }
    // `Query` first.
    area.roots.reverse();
    area
}

/// Splits exported text into its definitions: (name, text with its description).
///
/// The exporter puts every keyword and every closing brace of a definition at the start of a line, and nothing else but
/// descriptions there.
fn definitions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    let mut in_description = false;
    for line in text.lines() {
        if block.is_empty() && line.trim().is_empty() {
            continue;
        }
        block.push(line);
        if line.starts_with("\"\"\"") {
            let is_one_line = line.len() >= 6 && line.ends_with("\"\"\"");
            in_description = in_description == is_one_line;
            continue;
        }
        if in_description || line.starts_with(char::is_whitespace) {
            continue;
        }
        let is_whole = line == "}" || line.starts_with("scalar ") || line.starts_with("directive ");
        if is_whole {
            found.push((defined_name(&block), block.join("\n")));
            block.clear();
        }
    }
    found
}

/// The name in a definition's first line after its description; `schema` has none and goes by its keyword.
fn defined_name(block: &[&str]) -> String {
    let head =
        block.iter().rev().find(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).copied().unwrap_or("");
    let mut words = head.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let keyword = words.next().unwrap_or("");
    words.next().unwrap_or(keyword).to_owned()
}
