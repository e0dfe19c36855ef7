//! What people deploy with: the compose file and what it builds and mounts are complete, pinned and fit the server, and the balancer
//! does what it is there for.

#![expect(clippy::unwrap_used, reason = "this is a test, its helpers among it")]

mod balancer;
mod context;
mod health;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use e2e::server::{Settings, run};
use e2e::{file, tool};
use serde_json::Value;

/// A file of the repository, from its root.
fn repository(path: &str) -> PathBuf {
    file("..").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    serde_saphyr::from_str(&text("docker-compose.yml")).unwrap()
}

fn services(compose: &Value) -> BTreeMap<&str, &Value> {
    compose["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service)).collect()
}

/// The texts of a list; none where there is no list.
fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap()).collect()
}

/// Dockerfiles by the name of the service that is built from them.
fn dockerfiles(compose: &Value) -> BTreeMap<&str, String> {
    let built = services(compose).into_iter().filter_map(|(name, service)| match &service["build"] {
        Value::String(context) => Some((name, format!("{context}/Dockerfile"))),
        Value::Object(build) => Some((name, build["dockerfile"].as_str()?.to_owned())),
        _ => None,
    });
    built.collect()
}

/// Whether an image has a tag that names one release: numbers down to the patch.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else { return false };
    let version = tag.split('-').next().unwrap_or_default();
    let numbers: Vec<&str> = version.split('.').collect();
    numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

#[test]
fn every_image_is_of_one_release() {
    for (image, pinned) in
        [("a:1.2.3", true), ("r/a:12.12-slim", true), ("a", false), ("a:latest", false), ("a:3-alpine", false)]
    {
        assert_eq!(is_pinned(image), pinned, "{image}");
    }
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap_or_else(|| panic!("{name} has no image"));
        assert!(is_pinned(image), "{name}: {image} is whatever it is on that day");
        if service.get("build").is_some() {
            let own = format!(":{}", env!("CARGO_PKG_VERSION"));
            assert!(
                image.ends_with(&own),
                "{name}: {image} is built here, and has another version than this workspace"
            );
        }
    }
    for dockerfile in dockerfiles(&compose).values() {
        let text = text(dockerfile);
        let bases: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next()).collect();
        assert!(!bases.is_empty() && bases.iter().all(|base| is_pinned(base)), "{dockerfile}: {bases:?}");
        let user = text.lines().rfind(|line| line.starts_with("USER ")).unwrap_or_default();
        assert!(!["", "USER root", "USER 0"].contains(&user), "{dockerfile} ends as root");
    }
}

#[test]
fn what_others_wait_for_says_when_it_is_well() {
    let compose = compose();
    let services = services(&compose);
    let mut waited_for = BTreeSet::new();
    for (name, service) in &services {
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(how["condition"], "service_healthy", "{name} waits for {other}");
            let test = list(&services[other.as_str()]["healthcheck"]["test"]);
            assert!(test.len() > 1 && test[0] == "CMD", "{other} does not say when it is well: {test:?}");
            waited_for.insert(other.as_str());
        }
    }
    assert!(waited_for.is_superset(&BTreeSet::from(["opensearch", "skylark", "balancer"])), "{waited_for:?}");
}

#[test]
fn every_service_is_limited_comes_back_and_stays_on_this_machine() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(limits["memory"].is_string() && limits["cpus"].is_string(), "{name} has no limits");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert_eq!(list(&service["cap_drop"]), ["ALL"], "{name}");
        for port in list(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} opens {port} to the world");
        }
    }
}

#[test]
fn whatever_is_mounted_or_joined_is_there() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for volume in list(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            let there = match source.strip_prefix("./") {
                Some(path) => repository(path).is_file(),
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(there, "{name}: {source} is not there");
        }
        let networks = list(&service["networks"]);
        assert!(!networks.is_empty(), "{name} is in the default network");
        for network in networks {
            assert!(compose["networks"].get(network).is_some(), "{name}: there is no network {network}");
        }
    }
}

/// The variables of the server, as settings on top of others.
fn settings<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Settings {
    variables.fold(Settings::memory(), |settings, (name, value)| {
        let setting = name.strip_prefix("SKYLARK__").unwrap_or_else(|| panic!("{name} is no setting of Skylark"));
        settings.with(&setting.to_lowercase().replace("__", "."), value)
    })
}

#[tokio::test]
async fn the_server_knows_every_setting_it_is_given() {
    let compose = compose();
    let environment = compose["services"]["skylark"]["environment"].as_object().unwrap();
    let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let dockerfile = text("deploy/skylark/Dockerfile");
    let image = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    let all: Vec<(&str, &str)> = image.chain(environment).collect();
    assert!(all.contains(&("SKYLARK__STORAGE__BACKEND", "opensearch")), "{all:?}");
    let checked = run(&settings(all.iter().copied()), &["check-config"]).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    let wrong = settings(all.into_iter().chain([("SKYLARK__STORAGE__OPENSERACH", "x")]));
    let checked = run(&wrong, &["check-config"]).await;
    assert_eq!(checked.status.code(), Some(64), "{checked:?}");
}

#[test]
fn a_node_has_time_to_store_what_it_accepted() {
    let compose = compose();
    let grace: u64 =
        compose["services"]["skylark"]["stop_grace_period"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
    let shipped: Value = serde_saphyr::from_str(&text("config/skylark.yml")).unwrap();
    assert!(grace > shipped["server"]["shutdown_seconds"].as_u64().unwrap(), "{grace} s");
}

#[test]
fn the_demonstration_uses_the_agent_that_is_tested() {
    let pins = |path: &str| -> BTreeSet<String> {
        text(path).lines().filter(|line| line.contains("==")).map(str::to_owned).collect()
    };
    let (demonstration, tested) = (pins("deploy/demo/requirements.txt"), pins("tests/agents/python/requirements.txt"));
    assert!(!demonstration.is_empty(), "the demonstration pins what it uses");
    assert_eq!(demonstration.difference(&tested).collect::<Vec<_>>(), Vec::<&String>::new());
    let python = tool("SKYLARK_PYTHON");
    for program in ["demo/app.py", "demo/visitors.py", "webhook/sink.py"] {
        let script = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
        let path = repository("deploy").join(program);
        let parsed = std::process::Command::new(&python).args(["-c", script]).arg(path).status().unwrap();
        assert!(parsed.success(), "{program} is no Python");
    }
}
