//! Dashboard templates and the menu.

use std::fs;

use model::{Agg, Scope, cell, id, layer};
use query::{Actor, Role};
use serde_json::{Value, json};

use crate::world::World;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "/* a comment */ [{\"id\": \"General-Root\", \"configuration\": {\"layer\": \"GENERAL\", \"entity\": \"All\", \"name\": \"Root\"}}]";
    fs::write(folder.path().join("root.json"), text).unwrap();
    folder
}

const ALL: &str = "{ getAllTemplates { id, configuration, } }";

fn ids(data: &Value) -> Vec<&str> {
    data["getAllTemplates"].as_array().unwrap().iter().map(|template| template["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn templates_of_the_folder_are_served_and_changes_are_refused_by_default() {
    let folder = folder();
    let world = World::with_templates(folder.path().to_owned(), false);
    let data = world.ask(ALL, json!({})).await;
    let text = data["getAllTemplates"][0]["configuration"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text).unwrap(),
        json!({"layer": "GENERAL", "entity": "All", "name": "Root"})
    );
    let changes = "mutation { addTemplate(setting: {configuration: \"{}\"}) { id status message } \
                   changeTemplate(setting: {id: \"General-Root\", configuration: \"{}\"}) { id status } disableTemplate(id: \"General-Root\") { id status } }";
    let data = world.ask(changes, json!({})).await;
    assert_eq!((&data["addTemplate"]["id"], &data["addTemplate"]["status"]), (&json!(""), &json!(false)));
    assert!(data["addTemplate"]["message"].as_str().unwrap().contains("templates_editable"));
    assert_eq!(data["changeTemplate"], json!({"id": "General-Root", "status": false}));
    assert_eq!(data["disableTemplate"], json!({"id": "General-Root", "status": false}));
    assert_eq!(ids(&world.ask(ALL, json!({})).await), ["General-Root"]);
}

#[tokio::test]
async fn an_editor_changes_templates_though_not_everybody_may() {
    let mut world = World::with_templates(std::path::PathBuf::new(), false);
    world.actor = Actor::new("ann", Role::Editor, "");
    let add = "mutation { addTemplate(setting: {configuration: \"{}\"}) { status } }";
    assert_eq!(world.ask(add, json!({})).await["addTemplate"]["status"], true);
}

#[tokio::test]
async fn edits_are_kept_byte_for_byte_and_win_over_the_folder() {
    let folder = folder();
    let world = World::with_templates(folder.path().to_owned(), true);
    let configuration = "{ \"name\" :  \"mine\", \"x\": \"\\u00e9é\" }";
    let add = "mutation m($c: String!) { addTemplate(setting: {configuration: $c}) { id status message } }";
    let added = world.ask(add, json!({"c": configuration})).await;
    assert_eq!(added["addTemplate"]["status"], true, "{added}");
    let own = added["addTemplate"]["id"].as_str().unwrap().to_owned();
    let get = "query q($id: String!) { getTemplate(id: $id) { id configuration } }";
    let found = world.ask(get, json!({"id": own})).await;
    assert_eq!(found["getTemplate"], json!({"id": own, "configuration": configuration}));

    let change = "mutation m($id: String!, $c: String!) { changeTemplate(setting: {id: $id, configuration: $c}) { id status message } }";
    for id in ["General-Root", own.as_str(), own.as_str()] {
        let changed = world.ask(change, json!({"id": id, "c": "{\"v\":2}"})).await;
        assert_eq!(changed["changeTemplate"], json!({"id": id, "status": true, "message": ""}));
        assert_eq!(world.ask(get, json!({"id": id})).await["getTemplate"]["configuration"], "{\"v\":2}");
    }
    let disable = "mutation m($id: String!) { disableTemplate(id: $id) { id status } }";
    let disabled = world.ask(disable, json!({"id": "General-Root"})).await;
    assert_eq!(disabled["disableTemplate"], json!({"id": "General-Root", "status": true}));
    assert_eq!(world.ask(get, json!({"id": "General-Root"})).await["getTemplate"], Value::Null);
    assert_eq!(ids(&world.ask(ALL, json!({})).await), [own.as_str()]);
}

#[tokio::test]
async fn what_cannot_be_changed_says_why() {
    let world = World::with_templates(std::path::PathBuf::new(), true);
    for (change, part) in [
        ("addTemplate(setting: {configuration: \"[]\"})", "JSON object"),
        ("addTemplate(setting: {configuration: \"{\"})", "JSON object"),
        ("changeTemplate(setting: {id: \"none\", configuration: \"{}\"})", "no such template"),
        ("disableTemplate(id: \"none\")", "no such template"),
    ] {
        let data = world.ask(&format!("mutation {{ t: {change} {{ status message }} }}"), json!({})).await;
        assert_eq!(data["t"]["status"], false);
        assert!(data["t"]["message"].as_str().unwrap().contains(part), "{data}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_served_is_an_error_at_start() {
    let world = World::with_templates("/no/such/folder".into(), false);
    let error = query::build(&world.config, world.sources().await).err().unwrap();
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
}

#[tokio::test]
async fn the_menu_follows_the_services() {
    let world = World::new();
    let menu =
        "{ getMenuItems { title icon layer activate i18nKey subItems { title layer activate subItems { title } } } }";
    let data = world.ask(menu, json!({})).await;
    assert_eq!(data["getMenuItems"].as_array().unwrap().len(), 13);
    assert!(data["getMenuItems"].as_array().unwrap().iter().all(|item| item["activate"] == json!(false)));
    let layers = [(cell::LAYERS, Agg::Ids(vec![layer::GENERAL.ordinal].into()))];
    world.life(Scope::Service, &id::service("pay", true), (0, 0), &layers).await;
    let data = world.ask(menu, json!({})).await;
    let general = &data["getMenuItems"][0];
    assert_eq!((&general["title"], &general["layer"]), (&json!("General Service"), &json!("")));
    assert_eq!((&general["activate"], &general["icon"]), (&json!(true), &json!("general_service")));
    assert_eq!(
        general["subItems"][0],
        json!({"title": "Services", "layer": "GENERAL", "activate": true, "subItems": []})
    );
    assert_eq!(general["subItems"][1]["activate"], false);
}
