//! The page of the topology: services, then instances and endpoints of two of them.

use model::id;
use serde_json::{Value, json};

use super::expressions;
use crate::shop::N_VISITS;
use crate::{Seen, Ui, calls, each, same, value};

/// The map of services with its figures, of their instances and of their endpoints.
pub(crate) async fn topology(ui: &Ui<'_>) -> Seen {
    let document = "query queryData($duration: Duration!, $serviceIds: [ID!]!) {
        topology: getServicesTopology(duration: $duration, serviceIds: $serviceIds) {
            nodes { id name type isReal layers } calls { id source detectPoints target }
        }
    }";
    let known = ["web", "orders"].map(|name| id::service(name, true));
    let near = ui.ask(document, json!({ "serviceIds": known, "duration": ui.minutes() })).await["topology"].take();
    let drawn = json!([
        ["User", "web", ["SERVER"]],
        ["orders", "db:5432", ["CLIENT"]],
        ["web", "orders", ["CLIENT", "SERVER"]]
    ]);
    same("calls", calls(&near), drawn.clone())?;
    same("nodes", each(&near["nodes"], "name"), json!(["User", "db:5432", "orders", "web"]))?;
    same("nodes with agents", each(&near["nodes"], "isReal"), json!([false, false, true, true]))?;
    assert!(near["nodes"].as_array().unwrap().iter().all(|node| node["layers"].is_array()), "{near}");
    // The next level is asked about whatever was found, be it real or not.
    let found = json!({ "serviceIds": each(&near["nodes"], "id"), "duration": ui.minutes() });
    same("calls from further away", calls(&ui.ask(document, found).await["topology"]), drawn)?;
    figures(ui).await?;

    let document = "query queryData($clientServiceId: ID!, $serverServiceId: ID!, $duration: Duration!) {
        topology: getServiceInstanceTopology(clientServiceId: $clientServiceId, serverServiceId: $serverServiceId,
            duration: $duration) {
            nodes { id name type isReal serviceName serviceId } calls { id source detectPoints target }
        }
    }";
    let variables = json!({ "clientServiceId": known[0], "serverServiceId": known[1], "duration": ui.minutes() });
    let instances = ui.ask(document, variables).await["topology"].take();
    same("calls of instances", calls(&instances), json!([["web-1", "orders-1", ["CLIENT", "SERVER"]]]))?;
    same("instances' services", each(&instances["nodes"], "serviceName"), json!(["orders", "web"]))?;

    let endpoint = id::endpoint(&known[1], "/orders");
    let document = format!(
        "query queryData($duration: Duration!) {{
            endpointTopology0: getEndpointDependencies(endpointId: \"{endpoint}\", duration: $duration) {{
                nodes {{ id name serviceId serviceName type isReal }} calls {{ id source target detectPoints }}
            }}
        }}"
    );
    let endpoints = ui.ask(&document, json!({ "duration": ui.minutes() })).await["endpointTopology0"].take();
    same("calls of endpoints", calls(&endpoints), json!([["GET:/checkout", "/orders", ["SERVER"]]]))?;

    let levels = ui.ask("query queryLayerLevels { levels: listLayerLevels { layer level } }", json!({})).await;
    assert!(
        levels["levels"].as_array().is_some_and(|levels| levels.iter().any(|l| l["layer"] == "GENERAL")),
        "{levels}"
    );
    let service = "id name layer normal";
    let document = format!(
        "query queryData($serviceId: ID!, $layer: String!) {{
            hierarchyServiceTopology: getServiceHierarchy(serviceId: $serviceId, layer: $layer) {{
                relations {{ upperService {{ {service} }} lowerService {{ {service} }} }}
            }}
        }}"
    );
    let above = ui.ask(&document, json!({ "serviceId": known[0], "layer": "GENERAL" })).await;
    same("what runs on what", above["hierarchyServiceTopology"]["relations"].clone(), json!([]))
}

/// What is written at nodes and calls.
async fn figures(ui: &Ui<'_>) -> Seen {
    let node = |name: &str| json!({ "serviceName": name, "normal": true });
    let asked =
        ["avg(service_cpm)", "avg(service_sla/100)", "(avg(service_sla) < 9500) * (avg(service_cpm) > 1)  == 1"];
    let answers = expressions(ui, &asked.map(str::to_owned), &[node("web"), node("orders")]).await;
    for answer in answers.iter().flatten() {
        same("an error at a node", answer["error"].clone(), Value::Null)?;
    }
    same("calls of web", value(&answers[0][0]).clone(), json!(N_VISITS.to_string()))?;
    same("success of web", value(&answers[0][1]).clone(), json!("75"))?;
    // Orders was seen in the minute before as well, when nothing failed.
    same("success of orders", value(&answers[1][1]).clone(), json!("87.5"))?;
    same("web needs a look", value(&answers[0][2]).clone(), json!("1"))?;

    let call = |from: &str, to: &str, real: bool| json!({ "serviceName": from, "normal": true, "destServiceName": to, "destNormal": real });
    let entities = [call("web", "orders", true), call("orders", "db:5432", false)];
    let client = ["avg(service_relation_client_cpm)", "avg(service_relation_client_resp_time)"].map(str::to_owned);
    let answers = expressions(ui, &client, &entities).await;
    same("calls from web", value(&answers[0][0]).clone(), json!(N_VISITS.to_string()))?;
    same("latency seen from web", value(&answers[0][1]).clone(), json!("60"))?;
    same("latency of the database", value(&answers[1][1]).clone(), json!("20"))?;
    let server = ["sum(service_relation_server_cpm)".to_owned()];
    let answers = expressions(ui, &server, &entities[..1]).await;
    same("calls at orders", value(&answers[0][0]).clone(), json!((N_VISITS + 1).to_string()))
}
